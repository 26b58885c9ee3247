//! The bridge killed at each step of a call's way, and started again: the process ends, the function has run once.

mod at_random;
mod stopped;
mod way_back;
mod way_out;
