//! Tests of the PostgreSQL log alone.
