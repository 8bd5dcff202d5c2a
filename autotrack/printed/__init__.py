"""What a program prints is what its author watches: numbers under their labels, read from prints, logs and bars.

`source` knows what a call prints (off the training thread, once a call site), `lines` finds the numbers and labels in
the text, `words` tells a metric from a counter, a setting and a duration, `watch` puts the values into series.
"""
