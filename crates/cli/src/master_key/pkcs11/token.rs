//! The conversation with a token: one session for each thing that is asked, logged in once, and over after it.

use std::ffi::c_ulong;
use std::path::Path;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Function, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

use super::TokenError;

const NONCE: usize = 12;
const TAG_BITS: c_ulong = 128;
const KEY_BYTES: c_ulong = 32;
/// What a device that is well encrypts and opens again.
const PROOF: &[u8] = b"gatepass asks whether this device is well";

/// A token and a key in it, by their labels.
pub(super) struct Token<'t> {
    pub(super) module: &'t Path,
    pub(super) label: &'t str,
    pub(super) key: &'t str,
}

impl Token<'_> {
    /// Makes an AES-256 key that encrypts and decrypts, and can neither be read nor wrap others.
    pub(super) fn create_key(&self, pin: &str) -> Result<(), TokenError> {
        self.converse(pin, Access::Write, |session| {
            if !self.keys(session)?.is_empty() {
                return Err(TokenError::KeyExists { token: self.label.to_owned(), key: self.key.to_owned() });
            }
            let template = [
                Attribute::Label(self.key.as_bytes().to_vec()),
                Attribute::ValueLen(KEY_BYTES.into()),
                Attribute::Token(true),
                Attribute::Private(true),
                Attribute::Sensitive(true),
                Attribute::Extractable(false),
                Attribute::Encrypt(true),
                Attribute::Decrypt(true),
                Attribute::Wrap(false),
                Attribute::Unwrap(false),
            ];
            session.generate_key(&Mechanism::AesKeyGen, &template).map_err(|error| self.failed(&error))?;
            Ok(())
        })
    }

    /// AES-256-GCM of `plain`, bound to `context`: the nonce and what is encrypted, its tag at the end.
    pub(super) fn encrypt(
        &self,
        pin: &str,
        context: &[u8],
        plain: &[u8],
    ) -> Result<(Vec<u8>, Vec<u8>), TokenError> {
        self.converse(pin, Access::Read, |session| {
            let key = self.find_key(session)?;
            self.seal(session, key, context, plain)
        })
    }

    /// What was encrypted.
    ///
    /// # Errors
    /// [`TokenError::DoesNotOpen`] when this key has not encrypted it, or not for this context.
    pub(super) fn decrypt(
        &self,
        pin: &str,
        context: &[u8],
        nonce: &[u8],
        encrypted: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, TokenError> {
        self.converse(pin, Access::Read, |session| {
            let key = self.find_key(session)?;
            let open = || self.open(session, key, context, nonce, encrypted);
            unless_the_device_fails(open, || self.seal(session, key, context, PROOF).map(drop))
        })
    }

    /// Encrypts, and opens it again: nothing may hang on what a device only believes that it can open.
    fn seal(
        &self,
        session: &Session,
        key: ObjectHandle,
        context: &[u8],
        plain: &[u8],
    ) -> Result<(Vec<u8>, Vec<u8>), TokenError> {
        let mut nonce = [0; NONCE];
        session.generate_random_slice(&mut nonce).map_err(|error| self.failed(&error))?;
        // Some devices take no nonce of others and write their own in its place: what is there afterwards counts.
        let encrypted = gcm(&mut nonce, context)
            .and_then(|mechanism| session.encrypt(&mechanism, key, plain))
            .map_err(|error| self.failed(&error))?;
        match self.open(session, key, context, &nonce, &encrypted) {
            Ok(opened) if *opened == plain => Ok((nonce.to_vec(), encrypted)),
            Ok(_) | Err(TokenError::DoesNotOpen) => Err(TokenError::DoesNotFit(self.label.to_owned())),
            Err(error) => Err(error),
        }
    }

    fn open(
        &self,
        session: &Session,
        key: ObjectHandle,
        context: &[u8],
        nonce: &[u8],
        encrypted: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, TokenError> {
        let mut nonce: [u8; NONCE] = nonce.try_into().map_err(|_| TokenError::DoesNotOpen)?;
        let opened =
            gcm(&mut nonce, context).and_then(|mechanism| session.decrypt(&mechanism, key, encrypted));
        opened.map(Zeroizing::new).map_err(|error| match error {
            Error::Pkcs11(value, Function::Decrypt) if !is_of_the_device(&value) => TokenError::DoesNotOpen,
            error => self.failed(&error),
        })
    }

    /// Logs in, does the work, and leaves.
    fn converse<T>(
        &self,
        pin: &str,
        access: Access,
        work: impl FnOnce(&Session) -> Result<T, TokenError>,
    ) -> Result<T, TokenError> {
        let module = Module::start(self.module)?;
        let slot = self.find(&module.0)?;
        let opened = match access {
            Access::Read => module.0.open_ro_session(slot),
            Access::Write => module.0.open_rw_session(slot),
        };
        let session = opened.map_err(|error| self.failed(&error))?;
        session.login(UserType::User, Some(&AuthPin::from(pin))).map_err(|error| match error {
            Error::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _) => {
                TokenError::PinWrong(self.label.to_owned())
            }
            Error::Pkcs11(RvError::PinLocked, _) => TokenError::PinLocked(self.label.to_owned()),
            error => self.failed(&error),
        })?;
        let done = work(&session);
        let _ = session.logout(); // the end of the session logs out as well
        done
    }

    /// The slot of the token, if its PIN may be tried.
    fn find(&self, module: &Pkcs11) -> Result<Slot, TokenError> {
        let slots = module.get_slots_with_token().map_err(|error| self.failed(&error))?;
        let tokens: Vec<(Slot, TokenInfo)> = slots
            .into_iter()
            .filter_map(|slot| Some((slot, module.get_token_info(slot).ok()?)))
            .filter(|(_, info)| info.token_initialized())
            .collect();
        let mut called = tokens.iter().filter(|(_, info)| info.label() == self.label);
        match (called.next(), called.next()) {
            (None, _) => Err(TokenError::NoToken {
                token: self.label.to_owned(),
                others: tokens.iter().map(|(_, info)| info.label().to_owned()).collect(),
            }),
            (Some(_), Some(_)) => Err(TokenError::TokenTwice(self.label.to_owned())),
            (Some((_, info)), None) if info.user_pin_locked() => {
                Err(TokenError::PinLocked(self.label.to_owned()))
            }
            // A service manager that starts this again and again with a wrong PIN must not lock the token.
            (Some((_, info)), None) if info.user_pin_final_try() => {
                Err(TokenError::PinFinalTry(self.label.to_owned()))
            }
            (Some((slot, _)), None) => Ok(*slot),
        }
    }

    /// The key, if it cannot leave the token.
    fn find_key(&self, session: &Session) -> Result<ObjectHandle, TokenError> {
        let (token, key) = (self.label.to_owned(), self.key.to_owned());
        let handle = match *self.keys(session)? {
            [] => return Err(TokenError::NoKey { token, key }),
            [handle] => handle,
            _ => return Err(TokenError::KeyTwice { token, key }),
        };
        let wanted = [AttributeType::Sensitive, AttributeType::Extractable];
        let told = session.get_attributes(handle, &wanted).map_err(|error| self.failed(&error))?;
        if !never_leaves(&told) {
            return Err(TokenError::KeyLeaves { token, key });
        }
        Ok(handle)
    }

    fn keys(&self, session: &Session) -> Result<Vec<ObjectHandle>, TokenError> {
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Token(true),
            Attribute::Label(self.key.as_bytes().to_vec()),
        ];
        session.find_objects(&template).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &Error) -> TokenError {
        TokenError::Failed { token: self.label.to_owned(), why: told(error) }
    }
}

#[derive(Clone, Copy)]
enum Access {
    Read,
    Write,
}

/// A module from its initialization to its end.
struct Module(Pkcs11);

impl Module {
    fn start(path: &Path) -> Result<Self, TokenError> {
        let cannot = |error: &Error| TokenError::Module { module: path.to_owned(), why: told(error) };
        let module = Pkcs11::new(path).map_err(|error| cannot(&error))?;
        // It stays loaded: many modules leave threads or exit handlers behind that would point to nowhere.
        std::mem::forget(module.clone());
        let arguments = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
        module.initialize(arguments).map_err(|error| cannot(&error))?;
        Ok(Self(module))
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        let _ = self.0.clone().finalize(); // nothing is asked of it any more
    }
}

fn gcm<'a>(nonce: &'a mut [u8; NONCE], context: &'a [u8]) -> Result<Mechanism<'a>, Error> {
    GcmParams::new(nonce, context, TAG_BITS.into()).map(Mechanism::AesGcm)
}

/// What a token does not say is not taken for granted.
fn never_leaves(told: &[Attribute]) -> bool {
    [Attribute::Sensitive(true), Attribute::Extractable(false)].iter().all(|wanted| told.contains(wanted))
}

/// What `open` says, where it says that a key does not open what there is: only if the device is proven well, and then
/// once more. Modules tell a key that does not fit and a device that fails by one value (SoftHSM by CKR_GENERAL_ERROR),
/// and what is taken for another key's may be replaced.
fn unless_the_device_fails<T>(
    open: impl Fn() -> Result<T, TokenError>,
    prove: impl FnOnce() -> Result<(), TokenError>,
) -> Result<T, TokenError> {
    match open() {
        Err(TokenError::DoesNotOpen) => {
            prove()?;
            open()
        }
        answered => answered,
    }
}

/// Whether it is certainly the device that failed, and not what it was given to decrypt.
fn is_of_the_device(value: &RvError) -> bool {
    matches!(
        value,
        RvError::DeviceError
            | RvError::DeviceMemory
            | RvError::DeviceRemoved
            | RvError::HostMemory
            | RvError::TokenNotPresent
            | RvError::SessionClosed
            | RvError::SessionHandleInvalid
            | RvError::CryptokiNotInitialized
            | RvError::UserNotLoggedIn
    )
}

/// By the names of the standard; the crate's sentences are the standard's paragraphs.
fn told(error: &Error) -> String {
    match error {
        Error::Pkcs11(value, function) => format!("{value:?} in {function:?}"),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_another_only_where_the_device_is_well() {
        type Answers = Vec<Result<u8, TokenError>>;
        let other = || Err(TokenError::DoesNotOpen);
        let fault = || TokenError::Failed { token: "t".into(), why: "GeneralError in Encrypt".into() };
        let misfit = || TokenError::DoesNotFit("t".into());
        let cases: Vec<(&str, Answers, Result<(), TokenError>, &str)> = vec![
            ("opens", vec![Ok(1)], Err(fault()), "Ok(1)"),
            ("another_key", vec![other(), other()], Ok(()), "Err(DoesNotOpen)"),
            ("fails_and_is_well_again", vec![other(), Ok(1)], Ok(()), "Ok(1)"),
            ("fails", vec![other()], Err(fault()), "Err(Failed"),
            ("opens_nothing", vec![other()], Err(misfit()), "Err(DoesNotFit"),
            ("says_so_itself", vec![Err(fault())], Ok(()), "Err(Failed"),
        ];
        for (name, answers, proof, want) in cases {
            let answers = std::cell::RefCell::new(answers.into_iter());
            let told = unless_the_device_fails(|| answers.borrow_mut().next().unwrap(), || proof);
            assert!(format!("{told:?}").starts_with(want), "{name}: {told:?}");
        }
    }

    #[test]
    fn a_key_that_can_be_read_out_is_refused() {
        let (sensitive, extractable) = (Attribute::Sensitive, Attribute::Extractable);
        let cases = [
            ("stays", vec![sensitive(true), extractable(false)], true),
            ("in_another_order", vec![extractable(false), sensitive(true)], true),
            ("can_be_wrapped_by_another", vec![sensitive(true), extractable(true)], false),
            ("can_be_read", vec![sensitive(false), extractable(false)], false),
            ("says_half_of_it", vec![sensitive(true)], false),
            ("says_nothing", vec![], false),
        ];
        for (name, told, want) in cases {
            assert_eq!(never_leaves(&told), want, "{name}");
        }
    }
}
