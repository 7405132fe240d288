"""Data integration transforms (--enable-glue-di-transforms): not there yet."""
