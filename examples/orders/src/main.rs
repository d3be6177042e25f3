//! The demo API as a program.

fn main() {}
