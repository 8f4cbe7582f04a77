//! How alike sent and received speech are: alignment, delay, STOI.
