"""The compiler: `build` is the whole; every other module is one of its stages."""
