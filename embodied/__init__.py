"""The model and the core: what crosses a boundary, the embodied language model, the control loop, data, command line."""

__version__ = "0.1.0"
