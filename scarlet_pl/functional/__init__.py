"""Pure tensor maths: no state, no Lightning."""
