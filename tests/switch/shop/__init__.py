"""A small project that runs on a predecessor's package today and on ours tomorrow."""
