//! `gatepass client …`

use clap::ValueEnum as _;
use gatepass_issuer::certificate::{RegisteredCertificate, Thumbprints};
use gatepass_jose::JwkSet;
use serde_json::{Value, json};

use super::{segment, show, show_list};
use crate::api::{Api, Refused};
use crate::args::client_update::{Grant, in_options};
use crate::args::{Client, ClientUpdate, Target};
use crate::backend::OPERATOR;
use crate::complaint::Complaint;
use crate::input::Input;
use crate::key_file::{Key, KeyFile};

pub(crate) async fn run(target: &Target, command: Client) -> anyhow::Result<()> {
    require_not_own(&command)?;
    let api = Api::open(target).await?;
    let done = carry_out(&api, target, command).await;
    api.close().await?;
    done
}

async fn carry_out(api: &Api, target: &Target, command: Client) -> anyhow::Result<()> {
    let change =
        async |id: &str, change: Value| api.patch(&format!("/clients/{}", segment(id)), change).await;
    match command {
        Client::Add {
            id,
            name,
            scopes,
            audiences,
            exchange_for,
            exchange_from,
            impersonate,
            public,
            auth,
            jwks,
            jwks_uri,
            certificate_name,
            certificate,
            certificate_bound,
            redirect_uris,
            device,
            jwt_bearer,
            post_logout_redirect_uris,
            backchannel_logout_uri,
            frontchannel_logout_uri,
            require_pushed,
            require_signed_request,
            dpop,
            details_types,
            pairwise,
            sector_identifier_uri,
            logins,
            signatures,
            responses,
            trusted,
            require_pkce,
            grants: named,
        } => {
            let name = name.or_else(|| id.clone()).unwrap_or_else(|| "unnamed".to_owned());
            let logs_in = !redirect_uris.is_empty() || device;
            let mut grants = match (logs_in, public) {
                // What an assertion gives is no session.
                (false, true) if jwt_bearer => vec![],
                (true, _) | (false, true) => vec!["refresh_token"],
                (false, false) => vec!["client_credentials"],
            };
            if !redirect_uris.is_empty() {
                grants.push("authorization_code");
            }
            if jwt_bearer {
                grants.push("urn:ietf:params:oauth:grant-type:jwt-bearer");
            }
            if device {
                grants.push("urn:ietf:params:oauth:grant-type:device_code");
            }
            let mut optional = Vec::new();
            if !exchange_for.is_empty() {
                grants.push("urn:ietf:params:oauth:grant-type:token-exchange");
                let policy =
                    json!({ "for": exchange_for, "from": exchange_from, "impersonate": impersonate });
                optional.push(("exchange".to_owned(), policy));
            }
            if !public {
                let method = auth.to_possible_value().map(|method| json!(method.get_name()));
                optional.push(("token_endpoint_auth_method".to_owned(), json!(method)));
            }
            if let Some(file) = &jwks {
                optional.push(("jwks".to_owned(), public_keys(file)?));
            }
            if let Some(known) = known_by(certificate_name.as_deref(), certificate.as_ref())? {
                optional.push(("certificate".to_owned(), known));
            }
            optional
                .extend(backchannel_logout_uri.map(|uri| ("backchannel_logout_uri".to_owned(), json!(uri))));
            optional.extend(
                frontchannel_logout_uri.map(|uri| ("frontchannel_logout_uri".to_owned(), json!(uri))),
            );
            let formats = [
                ("subject_type", pairwise.then(|| "pairwise".to_owned())),
                ("sector_identifier_uri", sector_identifier_uri),
                ("jwks_uri", jwks_uri),
            ];
            optional.extend(
                formats.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))),
            );
            optional.extend(signatures.members().map(|(name, value)| (name.to_owned(), value)));
            optional.extend(logins.members().map(|(name, value)| (name.to_owned(), value)));
            optional.extend(responses.members().map(|(name, value)| (name.to_owned(), json!(value))));
            optional.extend(id.map(|id| ("client_id".to_owned(), json!(id))));
            if !named.is_empty() {
                grants = named.into_iter().map(Grant::grant_type).collect();
            }
            let mut body = json!({
                "client_name": name,
                "confidential": !public,
                "grant_types": grants,
                "scope": scopes.join(" "),
                "audience": audiences,
                "redirect_uris": redirect_uris,
                "post_logout_redirect_uris": post_logout_redirect_uris,
                "require_pushed_authorization_requests": require_pushed,
                "require_signed_request_object": require_signed_request,
                "dpop_bound_access_tokens": dpop,
                "tls_client_certificate_bound_access_tokens": certificate_bound,
                "authorization_details_types": details_types,
                "trusted": trusted,
                "require_pkce": require_pkce,
            });
            if let Some(body) = body.as_object_mut() {
                body.extend(optional);
            }
            show(target, &api.post("/clients", body).await.map_err(of_options)?);
        }
        Client::Update(update) => {
            let id = update.id.clone();
            let body = changes(*update)?;
            show(target, &change(&id, body).await.map_err(of_options)?);
        }
        Client::RegistrationToken { uses, lifetime, scopes, audiences, details_types, machines } => {
            let body = json!({
                "uses": uses,
                "expires_in": lifetime.as_secs(),
                "scope": scopes.join(" "),
                "audience": audiences,
                "authorization_details_types": details_types,
                "grant_types": machines.then_some(["client_credentials"]),
            });
            show(target, &api.post("/registration-tokens", body).await.map_err(of_options)?);
        }
        Client::List => {
            let clients = api.list("/clients", "clients").await?;
            show_list(target, clients, &["client_id", "client_name", "grant_types", "scope", "disabled"]);
        }
        Client::Show { id } => show(target, &api.get(&format!("/clients/{}", segment(&id))).await?),
        Client::Secret { id } => show(target, &change(&id, json!({ "new_secret": true })).await?),
        Client::Keys { id, jwks } => {
            show(target, &change(&id, json!({ "jwks": public_keys(&jwks)? })).await?);
        }
        Client::Certificate { id, certificate_name, certificate } => {
            let known = known_by(certificate_name.as_deref(), certificate.as_ref())?;
            show(target, &change(&id, json!({ "certificate": known })).await?);
        }
        Client::Disable { id } => show(target, &change(&id, json!({ "disabled": true })).await?),
        Client::Enable { id } => show(target, &change(&id, json!({ "disabled": false })).await?),
    }
    Ok(())
}

/// With the operator's client changed, no command of this machine would get in any more to change it back.
fn require_not_own(command: &Client) -> Result<(), Complaint> {
    let id = match command {
        Client::Update(update) => &update.id,
        Client::Secret { id }
        | Client::Keys { id, .. }
        | Client::Certificate { id, .. }
        | Client::Disable { id } => id,
        _ => return Ok(()),
    };
    match id == OPERATOR {
        true => Err(Complaint::unusable(format!(
            "{OPERATOR} is the client of the command line itself, which would be locked out"
        ))),
        false => Ok(()),
    }
}

/// What is to change about a client, with what stands in files.
fn changes(update: ClientUpdate) -> Result<Value, Complaint> {
    let keys = update.jwks.as_ref().map(public_keys).transpose()?;
    let known = known_by(update.certificate_name.as_deref(), update.certificate.as_ref())?;
    let mut members = update.members().map_err(Complaint::unusable)?;
    let of_files = [("jwks", keys), ("certificate", known)];
    members.extend(of_files.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    match members.is_empty() {
        true => Err(Complaint::unusable("nothing is to change").try_this("gatepass client update --help")),
        false => Ok(Value::Object(members)),
    }
}

/// What the server says of a client's members, in the words of the command line.
fn of_options(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<Refused>() {
        Ok(refused) => Refused { said: in_options(&refused.said), ..refused }.into(),
        Err(error) => error,
    }
}

/// What a certificate is known by: a name in it, or that it is one of a file's.
fn known_by(name: Option<&str>, file: Option<&Input>) -> Result<Option<Value>, Complaint> {
    let cannot = |what: &str, why: String| Complaint::unusable(format!("cannot use {what}")).at(why);
    let known = match (name, file) {
        (None, None) => return Ok(None),
        (Some(name), None) => {
            let kinds = "write subject_dn=CN=batch,O=Example, or san_dns=, san_uri=, san_ip= or san_email= and a name";
            let (kind, value) = name.split_once('=').ok_or_else(|| cannot(name, kinds.to_owned()))?;
            let known = serde_json::from_value(json!({ kind: value }));
            let known: RegisteredCertificate =
                known.map_err(|error| cannot(name, error.to_string()).try_this(kinds))?;
            if !known.needs_authority() {
                return Err(cannot(name, kinds.to_owned()));
            }
            known
        }
        (None, Some(file)) => {
            let all = Thumbprints::of_pem(&file.read()?);
            RegisteredCertificate::Sha256(all.map_err(|_| {
                cannot(
                    &file.to_string(),
                    "it holds something else than 1 to 16 certificates in PEM".to_owned(),
                )
            })?)
        }
        (Some(_), Some(_)) => {
            return Err(cannot("both", "a certificate is known by a name, or it is known itself".to_owned()));
        }
    };
    // Strings only: there is nothing that JSON could refuse.
    Ok(Some(json!(known)))
}

/// The keys of a file as a JWK Set. A private one goes nowhere: it is the client's alone.
fn public_keys(file: &Input) -> Result<Value, Complaint> {
    let file = KeyFile::read(file)?;
    let cannot = |why: String| Complaint::unusable(format!("cannot use {}", file.name)).at(why);
    if let Some(key) = file.unusable.first() {
        return Err(cannot(format!("the key {}: {}", key.name, key.why)));
    }
    let mut keys = Vec::with_capacity(file.keys.len());
    for key in &file.keys {
        match key {
            Key::Public(jwk) => keys.push(jwk.clone()),
            Key::Private(_) => {
                let why = "it holds a private key, which the server must not see".to_owned();
                return Err(cannot(why).try_this(format!("gatepass jwk public {}", file.name)));
            }
        }
    }
    // Strings only: there is nothing that JSON could refuse.
    Ok(json!(JwkSet { keys }))
}
