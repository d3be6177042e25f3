//! The authorization server's rules without HTTP: users, clients, sessions, grants, keys and the revocation log, over a Store trait.
