// The textbook in pure Swift.
