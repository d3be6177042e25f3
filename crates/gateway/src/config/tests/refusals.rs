//! What a file is refused for, on which line, and with which advice.

use super::*;

#[test]
fn what_is_refused_where_and_with_which_advice() {
    // Of a route's keys, those that are not the case's are on the lines 13 and 14.
    let route = |lines: &str| with_route(&format!("path = '/a'\nupstream = 'orders'\n{lines}"));
    // The resource begins on line 13.
    let with_resource = |lines: &str| {
        format!(
            "listen = '[::]:1'\npublic_url = 'https://api.example.com'\n[[issuer]]\nurl = 'https://auth.example.com'\n\
            audience = ['one', 'two']\nrevocation = 'none'\n[[upstream]]\nname = 'u'\nservers = ['http://a']\n\
            [[route]]\npath = '/a/{{id}}'\nupstream = 'u'\n[[resource]]\n{lines}\n"
        )
    };
    let with_dpop = |lines: &str| format!("listen = '[::]:1'\npublic_url = 'https://a'\n[dpop]\n{lines}\n");
    let limit = |keys: &str| route(&format!("rate_limit = {{ {keys} }}"));
    let cases = [
        // The file as a whole.
        (
            String::new(),
            None,
            "`listen` is missing; give an address to serve at: listen = \"127.0.0.1:8080\"",
        ),
        ("listen = ".into(), Some(1), "string values must be quoted"),
        ("listen = 8080".into(), Some(1), "invalid type: integer `8080`, expected a string"),
        ("\nlisten = ':8080'".into(), Some(2), "`:8080` is no address to listen on; write an IP address"),
        ("listen = 'localhost:80'".into(), Some(1), "`localhost:80` is no address to listen on"),
        ("listen = '[::]:1'\nlisten = '[::]:2'".into(), Some(2), "duplicate key"),
        ("listen = '[::]:1'\nlisen = 1".into(), Some(2), "unknown field `lisen`"),
        ("listen = '[::]:1'\n\n[[rout]]".into(), Some(3), "did you mean `route`?"),
        ("listen = '[::]:1'\n[dpop]\nrequired = true".into(), Some(2), "no DPoP proof can be checked here"),
        (with_dpop("window = '6m'"), Some(4), "older than five minutes"),
        (with_dpop("window = '0s'"), Some(4), "a time limit of nothing"),
        (with_dpop("algs = ['HS256']"), Some(4), "proofs are signed with private keys"),
        (with_dpop("algs = []"), Some(4), "by one algorithm or more"),
        (with_dpop("nonce_period = '1m'"), Some(4), "has no meaning where no nonce is asked for"),
        (with_dpop("nonce_secret_env = 'NOBODY_SETS_THIS'"), Some(4), "`NOBODY_SETS_THIS` is not set"),
        (with_dpop("nonce_secret_env = ''"), Some(4), "is not set, or no text"),
        (
            with_dpop("nonce_secret_env = 'PATH'"),
            Some(4),
            "the secret in PATH is not 32 bytes or more in base64url",
        ),
        (with_dpop("nonce_secret_env = 'A'\nnonce_secret_file = 'a'"), Some(4), "exclude each other"),
        (with_dpop("nonce_secret_file = '/nowhere'"), Some(4), "/nowhere"),
        (
            with_resource("url = 'https://api.example.com/b'\naudience = ['one']"),
            Some(13),
            "no route is below",
        ),
        (
            with_resource("url = 'https://other.example.com'\naudience = ['one']"),
            Some(13),
            "no route is below",
        ),
        (
            with_resource("url = 'https://api.example.com'\naudience = ['one']"),
            Some(13),
            "is described twice",
        ),
        (
            with_resource("url = 'http://api.example.com/a'\naudience = ['one']"),
            Some(14),
            "over the same scheme",
        ),
        (with_resource("url = 'https://api.example.com/a?b'\naudience = ['one']"), Some(14), "has a query"),
        (with_resource("url = 'https://api.example.com/a'"), Some(13), "`audience` is missing here"),
        (with_resource("url = 'https://api.example.com/a'\naudience = []"), Some(15), "an empty `audience`"),
        (with_resource("audience = ['one']"), Some(13), "`url` is missing here"),
        (
            with_resource("url = 'https://api.example.com/a'\naudience = ['three']"),
            Some(15),
            "no token for `three` would be taken",
        ),
        (
            with_resource("url = 'https://api.example.com/a'\naudience = ['one']\nissuers = ['https://b']"),
            Some(16),
            "no [[issuer]] has the url `https://b`",
        ),
        (
            with_resource("url = 'https://api.example.com/a'\naudience = ['one']\nissuers = []"),
            Some(16),
            "nobody's tokens would be taken",
        ),
        (
            with_resource("url = 'https://api.example.com/a'\naudience = ['one']\ndpop = false"),
            Some(16),
            "demands nothing",
        ),
        (
            "listen = '[::]:1'\n[[resource]]\nurl = 'https://a/b'\naudience = ['x']".into(),
            Some(2),
            "nothing says under which URL clients reach the gateway as a whole",
        ),
        (with_issuer("tokens = 'opaqe'"), Some(5), "unknown variant `opaqe`"),
        (
            with_issuer("tokens = 'opaque'\nrevocation = 'none'"),
            Some(5),
            "`introspection` is missing: as whom to ask the issuer",
        ),
        (
            with_issuer("tokens = 'opaque'\nrevocation = 'none'\nsecret_file = 'x'"),
            Some(7),
            "opaque tokens are not signed",
        ),
        (
            "listen = '[::]:1'\ntrusted_proxies = ['10.0.0.0/8', '10.0.0/8']".into(),
            Some(2),
            "`10.0.0/8` is no address or network",
        ),
        (
            "listen = '[::]:1'\npublic_url = 'api.example.com'".into(),
            Some(2),
            "the public URL `api.example.com` is no URL; write how clients begin",
        ),
        ("listen = '[::]:1'\npublic_url = 'https://a?b'".into(), Some(2), "has a query or a fragment"),
        ("listen = '[::]:1'\npublic_url = 'https://a/b/'".into(), Some(2), "a slash at its end"),
        ("listen = '[::]:1'\npublic_url = 'https://u@a'".into(), Some(2), "has credentials"),
        ("listen = '[::]:1'\npublic_url = 'ws://a'".into(), Some(2), "is not reached over http or https"),
        (
            "listen = '[::]:1'\n[limits]\nheader_bytes = 100".into(),
            Some(3),
            "this limit must be 8192 or more",
        ),
        ("listen = '[::]:1'\n[limits]\nconnections = -1".into(), Some(3), "invalid value: integer `-1`"),
        ("listen = '[::]:1'\n[timeouts]\nidle = '0s'".into(), Some(3), "a time limit of nothing"),
        (
            "listen = '[::]:1'\n[timeouts]\nidle = '60'".into(),
            Some(3),
            "`60` is no duration; write a whole number and a unit",
        ),
        (
            "listen = '[::]:1'\n[ext_authz]".into(),
            Some(2),
            "`listen` is missing here; give where Envoys ask: listen = \"127.0.0.1:9191\"",
        ),
        (
            "listen = '[::]:1'\n[forward_auth]\npath = 'verify'".into(),
            Some(3),
            "the path must start with a slash",
        ),
        // Issuers.
        (
            "listen = '[::]:1'\n\n[[issuer]]\naudience = ['a']".into(),
            Some(3),
            "`url` is missing here; give the exact value of `iss`",
        ),
        ("listen = '[::]:1'\n[[issuer]]\nurl = 'https://a'\n".into(), Some(2), "`audience` is missing here"),
        (
            "listen = '[::]:1'\n[[issuer]]\nurl = 'https://a'\naudience = []".into(),
            Some(4),
            "an empty `audience` would take tokens meant for anybody",
        ),
        (
            "listen = '[::]:1'\n[[issuer]]\nurl = 'auth.example.com'\n".into(),
            Some(3),
            "`auth.example.com` is no http or https URL",
        ),
        (
            "listen = '[::]:1'\n[[issuer]]\nurl = 'https://a?b'\n".into(),
            Some(3),
            "neither query nor fragment",
        ),
        (with_issuer(""), Some(2), "`revocation` is missing here; give how revoked tokens are told"),
        (with_issuer("revocation = 'fed'"), Some(5), "unknown variant `fed`"),
        (with_issuer("revocation = 'fed'"), Some(5), "did you mean `feed`?"),
        (with_issuer("revocation = 'status-list'"), Some(5), "`on_stale` is missing"),
        (
            with_issuer("revocation = 'feed'\nstatus_list_origins = ['https://a']"),
            Some(6),
            "`status_list_origins` has no meaning without revocation = \"status-list\"",
        ),
        (
            with_issuer("revocation = 'status-list'\nfeed_fallbacks = ['https://a']"),
            Some(6),
            "`feed_fallbacks` has no meaning without revocation = \"feed\"",
        ),
        (
            with_issuer("revocation = 'feed'\nfeed_fallbacks = ['https://a', 'b']"),
            Some(6),
            "`b` is no http or https URL",
        ),
        (
            with_issuer("revocation = 'feed'"),
            Some(5),
            "`on_stale` is missing: what holds while the issuer is silent",
        ),
        (
            with_issuer("revocation = 'feed'\non_stale = { then = 'deny' }"),
            Some(6),
            "`after` is missing here",
        ),
        (
            with_issuer("revocation = 'feed'\non_stale = { after = '30s', then = 'ignore' }"),
            Some(6),
            "unknown variant `ignore`",
        ),
        (
            with_issuer("revocation = 'feed'\non_stale = { after = '30', then = 'deny' }"),
            Some(6),
            "`30` is no duration",
        ),
        (
            with_issuer("revocation = 'feed'\non_stale = { after = '1s', then = 'introspect' }"),
            Some(6),
            "`introspection` is missing",
        ),
        (
            with_issuer("revocation = 'none'\non_stale = { after = '1s', then = 'deny' }"),
            Some(6),
            "`on_stale` has no meaning",
        ),
        (with_issuer("revocation = 'none'\nfeed = 'https://a'"), Some(6), "`feed` has no meaning"),
        (
            with_issuer("revocation = 'none'\nintrospection = { client_id = 'a', client_secret_file = 'b' }"),
            Some(6),
            "`introspection` has no meaning: nothing asks the issuer",
        ),
        (
            with_issuer("revocation = 'introspect'"),
            Some(5),
            "`introspection` is missing: as whom to ask the issuer",
        ),
        (
            with_issuer("revocation = 'none'\nalgs = ['ES265']"),
            Some(6),
            "`ES265` is no algorithm that can be verified; did you mean `ES256`?",
        ),
        (with_issuer("revocation = 'none'\nalgs = ['none']"), Some(6), "`none` is no algorithm"),
        (
            with_issuer("revocation = 'none'\nalgs = ['HS256']"),
            Some(6),
            "HS256, HS384 and HS512 need a secret",
        ),
        (
            with_issuer("revocation = 'none'\nalgs = []"),
            Some(6),
            "with an empty `algs` no token could be verified",
        ),
        ("listen = '[::]:1'\nforwarded = 'rfc7293'".into(), Some(2), "unknown variant `rfc7293`"),
        ("listen = '[::]:1'\n[access_log]\nidentity = true".into(), Some(2), "`path` is missing here"),
        ("listen = '[::]:1'\n[access_log]\npath = ''".into(), Some(3), "an empty path names no file"),
        (
            "listen = '[::]:1'\n[access_log]\npath = '/nowhere/access.log'".into(),
            Some(3),
            "there is no folder `/nowhere` for the access log",
        ),
        ("listen = '[::]:1'\n[access_log]\npaht = '-'".into(), Some(3), "did you mean `path`?"),
        ("listen = '[::]:1'\n[tracing]\nsample = 0.5".into(), Some(2), "`otlp` is missing here"),
        (
            "listen = '[::]:1'\n[tracing]\notlp = 'a:4318'".into(),
            Some(3),
            "is not reached over http or https",
        ),
        ("listen = '[::]:1'\n[tracing]\notlp = 'http://u:p@a'".into(), Some(3), "has credentials or a query"),
        (
            "listen = '[::]:1'\n[tracing]\notlp = 'http://a'\nsample = 1.5".into(),
            Some(4),
            "write a number from 0.0 to 1.0",
        ),
        (
            "listen = '[::]:1'\n[tracing]\notlp = 'http://a'\ncallers = 'nobody'".into(),
            Some(4),
            "unknown variant `nobody`",
        ),
        (with_issuer("revocation = 'none'\nsecret_file = '/nowhere'"), Some(6), "cannot read /nowhere"),
        (
            with_issuer("revocation = 'none'\nprevious_secret_file = 'a'"),
            Some(6),
            "`previous_secret_file` has no meaning without `secret_file`",
        ),
        (
            with_issuer("tokens = 'opaque'\nrevocation = 'none'\nprevious_secret_file = 'x'"),
            Some(7),
            "opaque tokens are not signed",
        ),
        (
            with_issuer("revocation = 'none'\nsecret_file = 'a'\nalgs = ['ES256']"),
            Some(6),
            "a secret is for exactly one of",
        ),
        (
            with_issuer("revocation = 'none'\nsecret_file = 'a'\njwks_uri = 'https://a'"),
            Some(6),
            "exclude each other",
        ),
        (with_issuer("revocation = 'none'\nclock_skew = '1'"), Some(6), "`1` is no duration"),
        (
            format!("listen = '[::]:1'{ISSUER}{ISSUER}"),
            Some(7),
            "the issuer https://auth.example.com is configured twice",
        ),
        (
            format!(
                "{}{UPSTREAM}[[route]]\npath = '/'\nupstream = 'orders'\non_stale = {{ after = '1s', then = 'introspect' }}",
                with_issuer("revocation = 'feed'\non_stale = { after = '1s', then = 'deny' }"),
            ),
            Some(5),
            "`introspection` is missing: as whom to ask the issuer",
        ),
        // Upstreams.
        ("listen = '[::]:1'\n[[upstream]]\nservers = ['http://a']".into(), Some(2), "`name` is missing here"),
        (
            "listen = '[::]:1'\n[[upstream]]\nname = 'a'".into(),
            Some(2),
            "`servers` is missing here; give one or more",
        ),
        (
            "listen = '[::]:1'\n[[upstream]]\nname = 'a'\nservers = ['127.0.0.1:80']".into(),
            Some(4),
            "the server `127.0.0.1:80` is no URL",
        ),
        (
            "listen = '[::]:1'\n[[upstream]]\nname = 'a'\nservers = ['ftp://a']".into(),
            Some(4),
            "is not reached over http or https",
        ),
        (
            "listen = '[::]:1'\n[[upstream]]\nname = 'a'\nservers = ['http://a', 'http://a:80/']".into(),
            Some(4),
            "the server `http://a:80/` is there twice",
        ),
        (
            "listen = '[::]:1'\n[[upstream]]\nname = 'a'\nservers = ['http://a/b']".into(),
            Some(4),
            "has a path",
        ),
        (
            "listen = '[::]:1'\n[[upstream]]\nname = 'a'\nservers = ['http://u:p@a']".into(),
            Some(4),
            "has credentials",
        ),
        (format!("listen = '[::]:1'{UPSTREAM}protocol = 'h3'"), Some(5), "unknown variant `h3`"),
        (format!("listen = '[::]:1'{UPSTREAM}{UPSTREAM}"), Some(7), "there is an upstream `orders` already"),
        // Routes. The first line of a route's keys is the 13th.
        (
            with_route(
                "path = '/a'\nupstream = 'orders'\npublic = true\non_stale = { after = '1s', then = 'deny' }",
            ),
            Some(16),
            "a public route has no token that could have been revoked",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\non_stale = { after = '1s', then = 'deny' }"),
            Some(15),
            "`on_stale` has no meaning: no issuer has",
        ),
        (with_route("upstream = 'orders'"), Some(12), "`path` is missing here"),
        (with_route("path = '/a'"), Some(12), "`upstream` is missing here"),
        (
            with_route("path = '/a'\nupstream = 'order'"),
            Some(14),
            "there is no upstream `order`; did you mean `orders`?",
        ),
        (with_route("path = '/a'\nupstream = 'nothing'"), Some(14), "add an [[upstream]] with this name"),
        (with_route("path = 'a'\nupstream = 'orders'"), Some(13), "the path `a`: a path must start with `/`"),
        (with_route("path = '/{*rest}/a'\nupstream = 'orders'"), Some(13), "can only stand at the end"),
        (with_route("path = '/a//b'\nupstream = 'orders'"), Some(13), "no request can have this path"),
        (
            with_route("path = '/auth/verify'\nupstream = 'orders'"),
            Some(13),
            "is the forward-auth endpoint; move that one",
        ),
        (
            with_route("path = '/auth/verify/{x}'\nupstream = 'orders'"),
            Some(13),
            "is the forward-auth endpoint; move that one",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nmethods = ['get']"),
            Some(15),
            "`get` is no method; methods are written in capitals",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nmethods = ['CONNECT']"),
            Some(15),
            "CONNECT is not passed on",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nmethods = []"),
            Some(15),
            "an empty `methods` serves nothing",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nhost = 'https://a'"),
            Some(15),
            "`https://a` is no host name",
        ),
        (with_route("path = '/a'\nupstream = 'orders'\nhost = '*a.b'"), Some(15), "`*a.b` is no host name"),
        (
            with_route("path = '/a'\nupstream = 'orders'\npublic = 'yes'"),
            Some(15),
            "invalid type: string \"yes\", expected a boolean",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\ntoken = 'exchange'"),
            Some(15),
            "unknown variant `exchange`",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\ntoken = 5"),
            Some(15),
            "expected \"keep\", \"strip\" or { exchange = \"…\" }",
        ),
        (with_route("path = '/a'\nupstream = 'orders'\ntoken = { exchang = 'x' }"), Some(15), "`exchange`?"),
        (with_route("path = '/a'\nupstream = 'orders'\ntoken = { exchange = '' }"), Some(15), "for somebody"),
        (with_route("path = '/a'\nupstream = 'orders'\ntoken = { exchange = 'x' }"), Some(15), "as whom"),
        (
            with_route("path = '/a'\nupstream = 'orders'\npublic = true\ntoken = { exchange = 'x' }"),
            Some(16),
            "no token to exchange",
        ),
        (with_route("path = '/a'\nupstream = 'orders'\ntickets = true"), Some(15), "as whom"),
        (
            with_route("path = '/a'\nupstream = 'orders'\npublic = true\ntickets = true"),
            Some(16),
            "no use for a ticket",
        ),
        (with_route("path = '/a'\nupstream = 'orders'\nreqire = {}"), Some(15), "did you mean `require`?"),
        (
            with_route("path = '/a'\nupstream = 'orders'\nrequire = {}"),
            Some(15),
            "an empty `require` requires nothing",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nrequire = { scopes = ['a'] }"),
            Some(15),
            "did you mean `scope`?",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nrequire = { scope = 'a' }"),
            Some(15),
            "invalid type: string \"a\", expected a sequence",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nrequire = { scope = [] }"),
            Some(15),
            "an empty `scope` says neither all nor none",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nrequire = { scope = ['a b'] }"),
            Some(15),
            "`a b` is not one scope; write several as scope",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nrequire = { role = [''] }"),
            Some(15),
            "a role is never empty",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nrequire = { claim = { a = 1.5 } }"),
            Some(15),
            "this is no test for a claim; write its value",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nrequire = { claim = { a = [] } }"),
            Some(15),
            "this is no test for a claim",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nrequire = { claim = { a = { present = false } } }"),
            Some(15),
            "this is no test for a claim",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\npublic = true\nrequire = { role = ['a'] }"),
            Some(16),
            "a public route takes no token",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\npublic = true\nforward = { sub = 'X-A' }"),
            Some(12),
            "there is no claim to forward",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\npublic = true\nend_streams = true"),
            Some(16),
            "a public route has no token for its streams to end with",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\npublic = true\nenforce = false"),
            Some(16),
            "a public route has no rule to enforce",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nforward = { sub = 'X A' }"),
            Some(15),
            "`X A` is no name for a header field",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nforward = { sub = 'Host' }"),
            Some(15),
            "`Host` has a meaning of its own; choose another name",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nforward = { sub = 'X-Forwarded-User' }"),
            Some(15),
            "has a meaning of its own",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nforward = { sub = 'X-A', sid = 'x-a' }"),
            Some(15),
            "`X-A` is set by the claim `sid` already",
        ),
        (
            with_route("path = '/{a}'\nupstream = 'orders'\n[[route]]\npath = '/{b}'\nupstream = 'orders'"),
            Some(16),
            "the route of line 12 serves the same paths with the same methods",
        ),
        (
            format!("listen = '[::]:1'{UPSTREAM}[[route]]\npath = '/'\nupstream = 'orders'"),
            Some(5),
            "this route needs a token, and no issuer is trusted to mint one; add an [[issuer]], or write public = true",
        ),
        // What a route goes by, and demands beyond scopes, roles and values.
        (route("host = 'a.*.b'"), Some(15), "`a.*.b` is no host name"),
        (route("host = '*.'"), Some(15), "`*.` is no host name"),
        (route("headers = { 'X A' = '1' }"), Some(15), "`X A` is no name for a header field"),
        (
            route("headers = { X-A = 1 }"),
            Some(15),
            "this is no test for a header field; write its whole value",
        ),
        (route("headers = { X-A = '' }"), Some(15), "this is no test for a header field"),
        (route("headers = { X-A = { present = false } }"), Some(15), "this is no test for a header field"),
        (route("headers = { X-A = '1', x-a = '2' }"), Some(15), "stands twice, in two spellings"),
        (
            route("headers = { Cookie = 'a=b' }"),
            Some(15),
            "the upstream does not see `Cookie` as the client sent it",
        ),
        (route("headers = { X-Forwarded-Proto = 'https' }"), Some(15), "so no route can go by it"),
        (
            route("forward = { sub = 'X-User' }\nheaders = { X_User = 'ann' }"),
            Some(16),
            "the upstream does not see `X_User` as the client sent it",
        ),
        (
            route(
                "headers = { X-A = '1' }\n[[route]]\npath = '/a'\nupstream = 'orders'\nheaders = { X-B = '1' }",
            ),
            Some(17),
            "and a request can have the `headers` of both; give one all `headers` of the other and more",
        ),
        (
            route("require = { claim = { sub = { param = 'usr' } } }").replace("'/a'", "'/{user}/{id}'"),
            Some(15),
            "the path has no parameter `{usr}` of one segment; did you mean `user`?",
        ),
        (
            route("require = { claim = { sub = { param = 'rest' } } }").replace("'/a'", "'/{*rest}'"),
            Some(15),
            "`{*name}` can be several segments",
        ),
        (
            route("require = { claim = { '/realm~access/roles' = 'a' } }"),
            Some(15),
            "`/realm~access/roles` names no claim: in a JSON Pointer (RFC 6901), `~` is followed by 0 or 1",
        ),
        (route("require = { claim = { '' = 'a' } }"), Some(15), "`` names no claim: a claim has a name"),
        (route("forward = { '/a~' = 'X-A' }"), Some(15), "`/a~` names no claim: in a JSON Pointer"),
        (route("require = { claim = { sub = { param = 1 } } }"), Some(15), "this is no test for a claim"),
        (route("require = { claim = { sub = { parm = 'a' } } }"), Some(15), "{ param = \"…\" }"),
        (route("require = { dpop = true }"), Some(15), "no DPoP proof can be checked here"),
        (route("require = { dpop = false }"), Some(15), "`dpop = false` demands nothing; leave it out"),
        (route("require = { acr = [] }"), Some(15), "an empty `acr` says neither all nor none"),
        (route("require = { acr = ['a b'] }"), Some(15), "`a b` is not one authentication context"),
        (route("require = { acr = ['a\"'] }"), Some(15), "is not one authentication context"),
        (
            route(&format!("require = {{ acr = ['a', '{}'] }}", "b".repeat(511))),
            Some(15),
            "a login is asked for 512 bytes of authentication contexts at most",
        ),
        (route("require = { max_age = '10' }"), Some(15), "`10` is no duration"),
        (route("require = { max_age = '999ms' }"), Some(15), "no login could be as recent as that"),
        (route("require = { max_ag = '1s' }"), Some(15), "did you mean `max_age`?"),
        (
            route("public = true\noptional = true"),
            Some(16),
            "a public route looks at no token, so none is optional",
        ),
        // Web pages.
        (route("cors = {}"), Some(15), "`origins` is missing here; give whose pages may use the route"),
        (route("cors = { origins = [] }"), Some(15), "an empty `origins` lets no page in"),
        (route("cors = { origns = ['*'] }"), Some(15), "did you mean `origins`?"),
        (
            route("cors = { origins = ['*'], credentials = true }"),
            Some(15),
            "every page on the web could act as the user",
        ),
        (
            route("cors = { origins = ['*', 'https://a'] }"),
            Some(15),
            "the origin `*` is everybody, so it stands alone",
        ),
        (
            route("cors = { origins = ['null'] }"),
            Some(15),
            "the origin `null` is that of every sandboxed page",
        ),
        (
            route("cors = { origins = ['https://a/'] }"),
            Some(15),
            "is not as browsers write it; write \"https://a\"",
        ),
        (route("cors = { origins = ['https://A:443'] }"), Some(15), "write \"https://a\""),
        (route("cors = { origins = ['app.example.com'] }"), Some(15), "is no origin; write scheme and host"),
        (
            route("cors = { origins = ['https://*.a.example'] }"),
            Some(15),
            "the origin `https://*.a.example` is a pattern",
        ),
        (route("cors = { origins = ['file:///a'] }"), Some(15), "is no origin"),
        (route("cors = { origins = ['https://a'], methods = ['get'] }"), Some(15), "`get` is no method"),
        (
            route("cors = { origins = ['https://a'], methods = [] }"),
            Some(15),
            "an empty `methods` serves nothing",
        ),
        (
            route("cors = { origins = ['https://a'], headers = ['*'] }"),
            Some(15),
            "`*` does not stand for all `headers`",
        ),
        (
            route("cors = { origins = ['https://a'], expose = ['a b'] }"),
            Some(15),
            "`a b` is no name for a header field",
        ),
        (route("cors = { origins = ['https://a'], max_age = '5' }"), Some(15), "`5` is no duration"),
        // Limits.
        (
            route("rate_limit = 'partner'"),
            Some(15),
            "there is no limit `partner`; add a [[rate_limit]] with this name",
        ),
        (
            route(
                "rate_limit = 'partner'\n[[rate_limit]]\nname = 'partners'\nper = 'client'\nrequests = 1\nevery = '1s'",
            ),
            Some(15),
            "did you mean `partners`?",
        ),
        (route("rate_limit = 7"), Some(15), "expected the name of a [[rate_limit]], or a table of its own"),
        (route("rate_limit = {}"), Some(15), "`per` is missing here"),
        (limit("per = 'subjects'"), Some(15), "did you mean `subject`?"),
        (limit("per = 'address', request = 1"), Some(15), "did you mean `requests`?"),
        (limit("per = 'address', requests = 0, every = '1s'"), Some(15), "this number must be 1 or more"),
        (limit("per = 'address', requests = -1, every = '1s'"), Some(15), "invalid value: integer `-1`"),
        (
            limit("per = 'address', requests = 1, every = '999ms'"),
            Some(15),
            "a second at least and a day at most",
        ),
        (
            limit("per = 'address', requests = 1, every = '25h'"),
            Some(15),
            "a second at least and a day at most",
        ),
        (limit("per = 'address', requests = 5, every = '1s', burst = 6"), Some(15), "and 5 or less"),
        (
            limit("name = 'a', per = 'address', requests = 5, every = '1s'"),
            Some(15),
            "make it a [[rate_limit]]",
        ),
        (
            route("public = true\nrate_limit = { per = 'subject', requests = 1, every = '1s' }"),
            Some(16),
            "there is nobody to count by; write per = \"address\"",
        ),
        ("listen = '[::]:1'\n[[rate_limit]]\nper = 'client'".into(), Some(2), "`name` is missing here"),
        ("listen = '[::]:1'\n[[rate_limit]]\nname = 'a b'".into(), Some(3), "`a b` is no name for a limit"),
    ];
    for (text, line, want) in cases {
        let error = Config::parse(&text).expect_err(want);
        assert_eq!(error.line(), line, "{error} in\n{text}");
        assert!(error.to_string().contains(want), "`{error}` does not say `{want}`");
    }
}
