"""A picture becomes pen strokes on a page, and a camera checks the ink. See docs/drawing.md."""
