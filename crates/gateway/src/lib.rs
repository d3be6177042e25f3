//! A reverse proxy and forward-auth endpoint: routes, rules and upstreams, with a guard in front.
