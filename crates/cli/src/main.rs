//! The gatepass binary: reads arguments and configuration, wires the rooms together, prints.

fn main() {}
