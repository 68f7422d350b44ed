//! Media sessions as their parties and their control nodes see them.

#![allow(clippy::unwrap_used)]

mod chaos;
mod control;
mod media;
mod world;
