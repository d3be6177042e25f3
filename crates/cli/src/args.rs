//! The command line: noun, then verb.

pub(crate) mod attack;
pub(crate) mod client_update;
pub(crate) mod jwk;
pub(crate) mod lint;
mod logins;
mod responses;
mod signatures;
pub(crate) mod token;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

pub(crate) use attack::Attack;
pub(crate) use client_update::ClientUpdate;
use client_update::Grant;
use gatepass_gateway::UpstreamServer;
use gatepass_jose::Alg;
pub(crate) use jwk::Jwk;
pub(crate) use lint::Lint;
use logins::Logins;
use responses::Responses;
use signatures::Signatures;
pub(crate) use token::Token;

use crate::input::Input;

/// Token authentication for people who run more than one service.
#[derive(Debug, Parser)]
#[command(
    name = "gatepass",
    version,
    propagate_version = true,
    after_help = "GATEPASS_LOG says what goes to the log, which is standard error: debug, or warn,gatepass::audit=info"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start everything on this machine: authorization server, gateway and a demo API
    Up(Up),
    /// Start the authorization server alone
    Serve(Serve),
    /// Start the gateway alone
    Gateway(Gateway),
    /// Watch what a gateway is doing
    Top(Top),
    /// The demo API, as `up` starts it
    #[command(hide = true)]
    Demo(Demo),
    /// Create, show and change users
    User {
        #[command(flatten)]
        target: Target,
        #[command(subcommand)]
        command: User,
    },
    /// Register, show and change OAuth clients
    Client {
        #[command(flatten)]
        target: Target,
        #[command(subcommand)]
        command: Box<Client>,
    },
    /// Define and show what roles allow
    Role {
        #[command(flatten)]
        target: Target,
        #[command(subcommand)]
        command: Role,
    },
    /// Show, rotate and withdraw signing keys
    Key {
        #[command(flatten)]
        target: Target,
        #[command(subcommand)]
        command: Key,
    },
    /// Inspect, verify and sign tokens, without a server
    #[command(subcommand)]
    Token(Token),
    /// Make, convert and show keys, without a server
    #[command(subcommand)]
    Jwk(Jwk),
    /// Say what is wrong with tokens, keys and logs, and how to mend it
    Lint(Lint),
    /// Try every known mistake in verifying tokens on a service that you run
    Attack(Box<Attack>),
    /// Take back a token, a session, or all that a subject, client or key has issued
    Revoke {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        revocation: Revocation,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Up {
    /// Where users, sessions and keys are kept
    #[arg(long, default_value = "gatepass-data", value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Where the gateway listens
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub(crate) gateway: SocketAddr,
    /// Where the authorization server listens
    #[arg(long, default_value = "127.0.0.1:8081", value_name = "ADDR")]
    pub(crate) server: SocketAddr,
    /// A user with the role `admin`, created if there is none of that name
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// The new user's password, in a file; generated where left out
    #[arg(long, value_name = "FILE", requires = "user")]
    pub(crate) password_file: Option<PathBuf>,
    /// Written as JSON once requests are served
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Serve {
    /// The server's configuration
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Gateway {
    /// The gateway's configuration; SIGHUP loads it again
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) config: Option<PathBuf>,
    /// Only say whether the file is good
    #[arg(long)]
    pub(crate) check: bool,
    #[command(subcommand)]
    pub(crate) command: Option<GatewayCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GatewayCommand {
    /// Propose an upstream and routes, with the scopes that an OpenAPI document asks for
    Import(Import),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Import {
    /// The document, OpenAPI 3.0 or 3.1 in JSON or YAML; `-` reads standard input
    #[arg(value_name = "FILE")]
    pub(crate) document: Input,
    /// The service behind, in place of the server that the document names
    #[arg(long, value_name = "NAME=URL")]
    pub(crate) upstream: Option<UpstreamServer>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Top {
    /// The gateway's `admin_listen`
    #[arg(long, default_value = "http://127.0.0.1:9090", value_name = "URL")]
    pub(crate) admin: String,
    /// Look once and print it, as where standard output is no terminal
    #[arg(long)]
    pub(crate) once: bool,
    /// Print it as JSON
    #[arg(long, requires = "once")]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Demo {
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: SocketAddr,
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: String,
    #[arg(long, value_name = "AUD")]
    pub(crate) audience: String,
}

/// Which server is meant: the one that runs on a data directory, or, when none runs, the data itself.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Which server")]
pub(crate) struct Target {
    /// The data directory, as given to `gatepass up`
    #[arg(long, global = true, default_value = "gatepass-data", value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// The server's configuration, as given to `gatepass serve`, in place of --dir
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// A server elsewhere, by its issuer URL, in place of --dir
    #[arg(long, global = true, value_name = "URL", requires_all = ["client_id", "client_secret_file"])]
    pub(crate) server: Option<String>,
    /// A client with the scope gatepass:admin, for --server
    #[arg(long, global = true, value_name = "ID", requires = "server")]
    pub(crate) client_id: Option<String>,
    /// Its secret, in a file
    #[arg(long, global = true, value_name = "FILE", requires = "server")]
    pub(crate) client_secret_file: Option<PathBuf>,
    /// Send it over plain http to another machine, where nobody else is on the way
    #[arg(long, global = true, requires = "server")]
    pub(crate) insecure_http: bool,
    /// Print the answer as JSON
    #[arg(long, global = true, help_heading = "Options")]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Create a user; without --password-file the password is generated and shown once
    Add {
        /// What they log in with
        name: String,
        /// A role to give, any number of times
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
        /// Their password, in a file
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// What people call them
        #[arg(long, value_name = "NAME")]
        display_name: Option<String>,
        /// Their e-mail address
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
        /// Somebody has made sure that the address is theirs
        #[arg(long, requires = "email")]
        email_verified: bool,
    },
    /// Create users from a file, each with the password hash that another system kept, or with a password
    ///
    /// A line is a JSON object: {"username": "ada", "password_hash": "$2b$12$…", "roles": ["clerk"], "disabled": false}.
    /// `password` in the place of `password_hash` is hashed here. Taken are bcrypt, scrypt, PBKDF2 and Argon2, as PHC
    /// strings or as Django and passlib write them; the user's next login replaces them by Argon2id.
    Import {
        /// One JSON object a line; `-` reads standard input
        #[arg(value_name = "FILE")]
        file: Input,
        /// Leave users alone who are there already, instead of reporting them
        #[arg(long)]
        skip_existing: bool,
    },
    /// List all users
    List,
    /// Show one user
    Show {
        /// What they log in with
        name: String,
    },
    /// Set all the roles of a user
    Roles {
        /// What they log in with
        name: String,
        /// All of them; none take all away
        roles: Vec<String>,
    },
    /// Set what people call the user; without that, take it away
    DisplayName {
        /// What they log in with
        name: String,
        /// What people call them
        display_name: Option<String>,
    },
    /// Set the user's e-mail address; without one, take it away
    Email {
        /// What they log in with
        name: String,
        /// The address
        address: Option<String>,
        /// Somebody has made sure that it is theirs
        #[arg(long, requires = "address")]
        verified: bool,
    },
    /// List the identities at providers that the user can log in with
    Identities {
        /// What they log in with
        name: String,
    },
    /// Let whoever logs in at an identity provider under this subject log in as the user
    Link {
        /// What they log in with
        name: String,
        /// The provider, by its `id` in the server's configuration
        provider: String,
        /// What the provider calls the user: its `sub`
        subject: String,
    },
    /// Take back the user's link to an identity at a provider, and end the sessions that began with it
    Unlink {
        /// What they log in with
        name: String,
        /// The provider, by its `id` in the server's configuration
        provider: String,
    },
    /// Set a new password, which ends the user's sessions
    Password {
        /// What they log in with
        name: String,
        /// The password, in a file; generated and shown once where left out
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// List what the user has allowed applications
    Consents {
        /// What they log in with
        name: String,
    },
    /// Take back what the user has allowed an application, and end what it gave
    Withdraw {
        /// What they log in with
        name: String,
        /// The application, by its client_id
        client: String,
    },
    /// End the user's sessions and let them log in no more
    Disable {
        /// What they log in with
        name: String,
    },
    /// Let the user log in again
    Enable {
        /// What they log in with
        name: String,
    },
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant)] // there is one in a run of the program
pub(crate) enum Client {
    /// Register a client; its secret is shown once
    Add {
        /// Its client_id; random where left out
        id: Option<String>,
        /// What people call it; its client_id where left out
        #[arg(long)]
        name: Option<String>,
        /// A scope it may ask for, any number of times
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// An audience it may ask for, any number of times; the default one where left out
        #[arg(long = "audience", value_name = "AUD")]
        audiences: Vec<String>,
        /// An audience it may exchange tokens for (RFC 8693), any number of times
        #[arg(long = "exchange-for", value_name = "AUD", conflicts_with = "public")]
        exchange_for: Vec<String>,
        /// An audience whose tokens it may exchange, any number of times; the default one where left out
        #[arg(long = "exchange-from", value_name = "AUD", requires = "exchange_for")]
        exchange_from: Vec<String>,
        /// The tokens it exchanges for do not say that it acts
        #[arg(long, requires = "exchange_for")]
        impersonate: bool,
        /// It cannot keep a secret and gets none
        #[arg(long)]
        public: bool,
        /// How it proves who it is
        #[arg(long, value_name = "METHOD", value_enum, default_value_t, conflicts_with = "public")]
        auth: ClientAuth,
        /// Its public keys, for private_key_jwt, to sign requests with, and to be encrypted for: a JWK Set, a JWK, PEM or
        /// DER; `-` is standard input
        #[arg(long, value_name = "FILE", group = "client_keys")]
        jwks: Option<Input>,
        /// Where it publishes them instead, which is fetched when they are needed
        #[arg(long, value_name = "URL", group = "client_keys")]
        jwks_uri: Option<String>,
        /// What its certificate is known by for tls_client_auth: subject_dn=, san_dns=, san_uri=, san_ip= or san_email=
        #[arg(long, value_name = "KIND=NAME", required_if_eq("auth", "tls_client_auth"))]
        certificate_name: Option<String>,
        /// Its certificates for self_signed_tls_client_auth, in PEM; `-` is standard input
        #[arg(long, value_name = "FILE", required_if_eq("auth", "self_signed_tls_client_auth"))]
        certificate: Option<Input>,
        /// It gets no access token that is not bound to its TLS certificate (RFC 8705)
        #[arg(long)]
        certificate_bound: bool,
        /// Where browsers may be sent back to after a login, any number of times; it may then log users in
        #[arg(long = "redirect-uri", value_name = "URI")]
        redirect_uris: Vec<String>,
        /// It may log users in on devices that cannot show a page (RFC 8628)
        #[arg(long)]
        device: bool,
        /// It may trade assertions of trusted issuers for tokens (RFC 7523)
        #[arg(long)]
        jwt_bearer: bool,
        /// Where browsers may be sent to after a logout, any number of times
        #[arg(long = "post-logout-redirect-uri", value_name = "URI", requires = "redirect_uris")]
        post_logout_redirect_uris: Vec<String>,
        /// Where it gets a logout token when a session of its users ends
        #[arg(long, value_name = "URI", requires = "redirect_uris")]
        backchannel_logout_uri: Option<String>,
        /// What a browser opens in a frame of the logout page
        #[arg(long, value_name = "URI", requires = "redirect_uris")]
        frontchannel_logout_uri: Option<String>,
        /// It must push its authorization requests (RFC 9126)
        #[arg(long, requires = "redirect_uris")]
        require_pushed: bool,
        /// It must sign its authorization requests (RFC 9101) with its keys for private_key_jwt
        #[arg(long, requires_all = ["redirect_uris", "client_keys"])]
        require_signed_request: bool,
        /// It gets no access token that is not bound to a key of its (DPoP, RFC 9449)
        #[arg(long)]
        dpop: bool,
        /// A type of authorization details that it may ask for (RFC 9396), any number of times
        #[arg(long = "authorization-details-type", value_name = "TYPE")]
        details_types: Vec<String>,
        /// Its users are called otherwise than anywhere else, so that nobody can tell who they are by comparing
        #[arg(long)]
        pairwise: bool,
        /// Where the redirect URIs of its sector are listed, if those have several hosts
        #[arg(long, value_name = "URI", requires = "pairwise")]
        sector_identifier_uri: Option<String>,
        #[command(flatten)]
        signatures: Signatures,
        #[command(flatten)]
        logins: Logins,
        #[command(flatten)]
        responses: Responses,
        /// It is your own: users are not asked whether they allow it
        #[arg(long)]
        trusted: bool,
        /// Whether it must use PKCE (RFC 7636); only an OpenID Connect client that authenticates and sends a nonce can do without
        #[arg(
            long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
            default_value_t = true, action = clap::ArgAction::Set
        )]
        require_pkce: bool,
        /// A grant that it may use, any number of times; where left out, those that the other options need
        #[arg(long = "grant", value_name = "GRANT", value_enum)]
        grants: Vec<Grant>,
    },
    /// Change a client: what is named here is replaced, and all else stays as it is
    Update(Box<ClientUpdate>),
    /// List all clients
    List,
    /// Show one client
    Show {
        /// Its client_id
        id: String,
    },
    /// Make a token with which clients register themselves (RFC 7591); it is shown once
    RegistrationToken {
        /// How many clients can be registered with it
        #[arg(long, default_value_t = 1)]
        uses: u32,
        /// For how long it is good, such as 30m or 7d
        #[arg(long, default_value = "1h", value_name = "TIME", value_parser = duration)]
        lifetime: Duration,
        /// A scope that such a client may ask for, any number of times
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// A resource server that such a client may ask for, any number of times; the default one where left out
        #[arg(long = "audience", value_name = "AUD")]
        audiences: Vec<String>,
        /// A type of authorization details that such a client may ask for (RFC 9396), any number of times
        #[arg(long = "authorization-details-type", value_name = "TYPE")]
        details_types: Vec<String>,
        /// Such a client acts for itself and logs nobody in
        #[arg(long)]
        machines: bool,
    },
    /// Give it a new secret; the old one is good for nothing at once
    Secret {
        /// Its client_id
        id: String,
    },
    /// Give it other public keys for private_key_jwt; the old ones are good for nothing at once
    Keys {
        /// Its client_id
        id: String,
        /// A JWK Set, a JWK, PEM or DER; `-` is standard input
        #[arg(long, value_name = "FILE")]
        jwks: Input,
    },
    /// Know it by another certificate; the old one is good for nothing at once
    Certificate {
        /// Its client_id
        id: String,
        /// As at `client add`
        #[arg(long, value_name = "KIND=NAME", required_unless_present = "certificate")]
        certificate_name: Option<String>,
        /// As at `client add`
        #[arg(long, value_name = "FILE", conflicts_with = "certificate_name")]
        certificate: Option<Input>,
    },
    /// Take its tokens back and give it no more
    Disable {
        /// Its client_id
        id: String,
    },
    /// Let it have tokens again
    Enable {
        /// Its client_id
        id: String,
    },
}

fn duration(text: &str) -> Result<Duration, String> {
    gatepass_gateway::parse_duration(text).ok_or_else(|| "write 30s, 15m, 12h or 7d".to_owned())
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
#[allow(clippy::enum_variant_names)] // as they are registered
pub(crate) enum ClientAuth {
    /// By a secret that it sends, in the header or in the body
    #[default]
    ClientSecretBasic,
    /// By assertions under a secret that it never sends
    ClientSecretJwt,
    /// By assertions under its own keys
    PrivateKeyJwt,
    /// By the certificate of its TLS connection, for which an authority vouches
    TlsClientAuth,
    /// By the certificate of its TLS connection, which is known itself
    SelfSignedTlsClientAuth,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// List all roles and what they allow
    List,
    /// Define a role, or change what it allows
    Set {
        /// What users hold
        name: String,
        /// What it allows, all of it; none allow nothing
        scopes: Vec<String>,
    },
    /// Remove a role, from its holders too
    Remove {
        /// What users hold
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// List the published keys, where each is in its life, and when the next takes over
    List,
    /// Let the waiting keys take over as soon as every verifier has seen them
    Rotate {
        /// Only the keys of this algorithm; those of every algorithm if left out
        #[arg(long)]
        alg: Option<Alg>,
        /// Withdraw every key that signs or has signed: what they signed is refused everywhere, and the waiting keys sign
        /// at once
        #[arg(long)]
        emergency: bool,
    },
    /// Replace the key that encrypts the others in the store; no token or secret changes
    RotateMaster,
    /// Make the key in a PKCS#11 token that `master_key` names in the server's configuration
    CreatePkcs11,
    /// Withdraw a key at once: what it signed is refused everywhere
    Revoke {
        /// The key, as `key list` names it
        #[arg(allow_hyphen_values = true)] // base64url may begin with one
        kid: String,
        /// Why, for the log and for guards
        #[arg(long, default_value = "key-compromised")]
        reason: String,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Revocation {
    /// token, session, subject, client, key or all
    pub(crate) kind: String,
    /// The jti, sid, sub or user name, client_id or kid; none for all
    #[arg(allow_hyphen_values = true)] // base64url may begin with one
    pub(crate) id: Option<String>,
    /// Why, for the log and for guards
    #[arg(long, default_value = "admin")]
    pub(crate) reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn every_argument_says_what_it_is() {
        fn blank(command: &clap::Command, path: &str) -> Vec<String> {
            let path = format!("{path} {}", command.get_name());
            let arguments = command.get_arguments().filter(|argument| argument.get_help().is_none());
            let own = arguments.map(|argument| format!("{path}: {}", argument.get_id()));
            let below = command.get_subcommands().filter(|command| !command.is_hide_set());
            own.chain(below.flat_map(|command| blank(command, &path))).collect()
        }
        assert_eq!(blank(&Args::command(), ""), [""; 0]);
    }

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Args::command().debug_assert();
    }
}
