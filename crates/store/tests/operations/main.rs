//! What operators and the metrics ask of the database, on a real PostgreSQL.

mod facts;
mod health;
mod people;
mod rows;
mod views;
