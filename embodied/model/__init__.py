"""The embodied language model: pictures, state series and objects are words of a sentence; out come text and motion."""
