"""The touch-up page: parked masks, worst first, judged and mended by a person in a browser."""
