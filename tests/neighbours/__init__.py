"""What a bad server costs the healthy one beside it: `make bench-neighbours`. Not part of the test run."""
