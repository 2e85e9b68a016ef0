"""Compile models: `build` runs all stages of a build, and every other module is one stage."""
