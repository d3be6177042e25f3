//! The issuer's Store on real engines, with one contract test suite that every engine passes.
