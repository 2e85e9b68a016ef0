"""Judge whether values are plausible: what cameras see under a bound calibration, without code of the compiler."""
