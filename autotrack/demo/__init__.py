"""The program that `autotrack demo` runs: ordinary scikit-learn, with no line of autotrack in it."""
