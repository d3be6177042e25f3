//! The signing keys of an issuer: listed, rotated, withdrawn and kept, each algorithm by its own schedule.

use std::sync::Arc;
use std::time::Duration;

use gatepass_jose::{Alg, SigningKey, Timestamp, base64url};
use gatepass_revocation::{Kind, Reason};

use crate::admin::AdminError;
use crate::issuer::{Issuer, OpenError};
use crate::keys::{self, KeyPolicy, KeyRecord, KeyState, KeyTerms, NewKey, Plan};
use crate::ring::KeyRing;
use crate::secrets::random;
use crate::store::NewRevocation;

/// A key as an operator sees it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct KeyInfo {
    /// Its name.
    pub kid: String,
    /// Its algorithm.
    pub alg: Alg,
    /// Where it is in its life.
    pub state: KeyState,
    /// From when it signs, where that is known: seconds since the epoch.
    pub signs_from: Option<i64>,
    /// Until when it signed: seconds since the epoch.
    pub signed_until: Option<i64>,
    /// Since when it is in the key set: seconds since the epoch. `None` for the first keys of all, which
    /// no verifier can have missed.
    pub published_at: Option<i64>,
    /// Until when it signs by schedule, or signed: seconds since the epoch.
    pub signs_until: Option<i64>,
    /// When it leaves the key set by schedule: seconds since the epoch.
    pub retires_at: Option<i64>,
}

/// The schedule of one algorithm's keys, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleInfo {
    /// The algorithm.
    pub alg: Alg,
    /// How long each of its keys signs: seconds.
    pub rotate_every: u64,
    /// When the next key takes its turn, by schedule or because somebody asked: seconds since the epoch.
    pub next_rotation: Option<i64>,
}

/// The keys of one algorithm, and what is wanted of them.
struct OfAlg<'k> {
    keys: &'k [KeyRecord],
    alg: Alg,
    /// `None`: the algorithm is configured no more.
    policy: Option<KeyPolicy>,
    /// Whether there was a key before, of whatever algorithm.
    established: bool,
}

impl OfAlg<'_> {
    fn plan(&self, now: Timestamp) -> Plan {
        match self.policy {
            Some(policy) => keys::plan(self.keys, self.established, now, policy),
            None => keys::end(self.keys, now),
        }
    }

    fn withdraw(&self, kids: &[String], now: Timestamp) -> Plan {
        let own = |kid: &&String| self.keys.iter().any(|key| key.kid == **kid);
        let kids: Vec<String> = kids.iter().filter(own).cloned().collect();
        match self.policy {
            Some(policy) if !kids.is_empty() => keys::withdraw(self.keys, &kids, now, policy),
            _ => Plan { retired: kids, ..Plan::default() },
        }
    }
}

impl Issuer {
    /// All keys that are published, with their states at `now`.
    #[must_use]
    pub fn list_keys(&self, now: Timestamp) -> Vec<KeyInfo> {
        let published = |key: &KeyRecord| (key.published_at > Timestamp::EPOCH).then_some(key.published_at);
        let info = |key: &KeyRecord| {
            let policy = self.config.key_policy(key.alg);
            KeyInfo {
                kid: key.kid.clone(),
                alg: key.alg,
                state: key.state(now),
                signs_from: key.signs_from.map(Timestamp::as_secs),
                signed_until: key.signed_until.map(Timestamp::as_secs),
                published_at: published(key).map(Timestamp::as_secs),
                signs_until: key.signs_until(policy).map(Timestamp::as_secs),
                retires_at: key.retires_at(policy).map(Timestamp::as_secs),
            }
        };
        self.ring.load().records().map(info).collect()
    }

    /// The schedule of each algorithm that keys are published for.
    #[must_use]
    pub fn list_schedules(&self, now: Timestamp) -> Vec<ScheduleInfo> {
        let records: Vec<KeyRecord> = self.ring.load().records().cloned().collect();
        let info = |alg| {
            let policy = self.policy_beside(&records, alg);
            let next = keys::next_rotation(&of_alg(&records, alg), now, policy);
            ScheduleInfo {
                alg,
                rotate_every: policy.rotate_every.as_secs(),
                next_rotation: next.map(Timestamp::as_secs),
            }
        };
        self.config.published_algs().into_iter().map(info).collect()
    }

    /// Rotates the keys of one algorithm, or of all: the waiting key takes over as soon as every verifier has
    /// seen it, at once unless the last rotation was a moment ago.
    ///
    /// # Errors
    /// [`AdminError::UnpublishedAlg`]; [`AdminError::Keys`] when the store fails, and nothing has changed then.
    pub async fn rotate_keys(&self, alg: Option<Alg>, now: Timestamp) -> Result<(), AdminError> {
        self.require_published(alg)?;
        let changing = self.keys_changing.lock().await;
        let rotate = |of: &OfAlg<'_>| match of.policy {
            Some(policy) if alg.is_none_or(|alg| alg == of.alg) => keys::rotate(of.keys, now, policy),
            _ => Plan::default(),
        };
        self.change_keys(now, Vec::new(), rotate).await?;
        drop(changing);
        self.maintain_keys(now).await?;
        let alg = alg.map(Alg::name);
        tracing::info!(target: "gatepass::audit", event = "keys-rotated", alg);
        Ok(())
    }

    /// The emergency rotation: withdraws every key of one algorithm, or of all, that signs or has signed. What they
    /// signed is refused everywhere, and the waiting keys sign now.
    ///
    /// # Errors
    /// [`AdminError::UnpublishedAlg`]; [`AdminError::Keys`] when the store fails, and nothing has changed then.
    pub async fn replace_keys(
        &self,
        alg: Option<Alg>,
        reason: Reason,
        now: Timestamp,
    ) -> Result<(), AdminError> {
        // Those of an algorithm that is configured no more count too, as long as a verifier may use them.
        if !self.ring.load().records().any(|key| Some(key.alg) == alg) {
            self.require_published(alg)?;
        }
        let leaves =
            |key: &&KeyRecord| alg.is_none_or(|alg| alg == key.alg) && key.state(now) != KeyState::Published;
        let choose = |ring: &KeyRing| {
            let retired = self.retired_keys.load();
            let gone = retired.iter().filter(|key| alg.is_none_or(|alg| alg == key.alg));
            let gone = gone.map(|key| key.kid.clone());
            ring.records().filter(leaves).map(|key| key.kid.clone()).chain(gone).collect()
        };
        self.withdraw(choose, reason, now).await?;
        Ok(())
    }

    /// Withdraws a key for good: every guard refuses what it signed, and the waiting key signs now.
    /// `false` when no key has that name; the revocation is announced all the same.
    ///
    /// # Errors
    /// [`OpenError`] when the store fails.
    pub async fn withdraw_key(&self, kid: &str, reason: Reason, now: Timestamp) -> Result<bool, OpenError> {
        Ok(self.withdraw(|_| vec![kid.to_owned()], reason, now).await? > 0)
    }

    /// Withdraws the keys of the names that `choose` gives, and tells how many there were.
    async fn withdraw(
        &self,
        choose: impl FnOnce(&KeyRing) -> Vec<String>,
        reason: Reason,
        now: Timestamp,
    ) -> Result<usize, OpenError> {
        let changing = self.keys_changing.lock().await;
        self.catch_up().await?;
        let ring = self.ring.load_full();
        let before = self.retired_keys.load_full();
        let kids = choose(&ring);
        let revocations = kids.iter().map(|kid| self.key_revocation(kid, reason.clone(), now)).collect();
        self.change_keys(now, revocations, |of| of.withdraw(&kids, now)).await?;
        self.feed.pump(&*self.store).await?;
        drop(changing);
        self.maintain_keys(now).await?;
        let is_known = |kid: &&String| {
            ring.records().any(|key| key.kid == **kid) || before.iter().any(|key| key.kid == **kid)
        };
        for kid in &kids {
            tracing::warn!(target: "gatepass::audit", event = "key-withdrawn", kid, known = is_known(&kid));
        }
        Ok(kids.iter().filter(is_known).count())
    }

    fn key_revocation(&self, kid: &str, reason: Reason, now: Timestamp) -> NewRevocation {
        // A stolen key can sign any `exp`. Guards drop it with the next key set; a day covers those
        // that cannot fetch one.
        let forget_after = now.saturating_add(Duration::from_secs(24 * 3600));
        NewRevocation { forget_after, ..self.revocation(Kind::Key, kid, reason, now) }
    }

    fn require_published(&self, alg: Option<Alg>) -> Result<(), AdminError> {
        let published = self.config.published_algs();
        match alg.filter(|alg| !published.contains(alg)) {
            Some(alg) => Err(AdminError::UnpublishedAlg(alg)),
            None => Ok(()),
        }
    }

    /// Notes the terms of this configuration with each key that was published under shorter ones.
    pub(crate) async fn keep_terms(&self) -> Result<(), OpenError> {
        let _changing = self.keys_changing.lock().await;
        let own = self.config.key_terms();
        let longer = |key: &KeyRecord| KeyRecord { terms: key.terms.max(own), ..key.clone() };
        let ring = self.ring.load();
        let changed: Vec<KeyRecord> =
            ring.records().filter(|key| key.terms.max(own) != key.terms).map(longer).collect();
        self.save_keys(&changed, &[], Vec::new()).await
    }

    pub(crate) async fn maintain_keys(&self, now: Timestamp) -> Result<(), OpenError> {
        let _changing = self.keys_changing.lock().await;
        self.change_keys(now, Vec::new(), |of| of.plan(now)).await?;
        // A first key that was just made waits to be appointed; that takes a second look.
        self.change_keys(now, Vec::new(), |of| of.plan(now)).await
    }

    /// Plans per algorithm from what the store has, keeps the outcome, and takes it over. Nothing is taken over that is not
    /// durable.
    async fn change_keys(
        &self,
        now: Timestamp,
        revocations: Vec<NewRevocation>,
        decide: impl Fn(&OfAlg<'_>) -> Plan,
    ) -> Result<(), OpenError> {
        let records = self.catch_up().await?;
        let (mut changed, mut retired) = (Vec::new(), Vec::new());
        let configured = self.config.published_algs();
        let mut algs: Vec<Alg> = records.iter().map(|key| key.alg).chain(configured.clone()).collect();
        algs.sort();
        algs.dedup();
        for alg in algs {
            let policy = configured.contains(&alg).then(|| self.policy_beside(&records, alg));
            let keys = of_alg(&records, alg);
            let plan = decide(&OfAlg { keys: &keys, alg, policy, established: !records.is_empty() });
            for new in plan.publish {
                changed.push(self.make_key(alg, new)?);
            }
            if policy.is_none() && !plan.changed.is_empty() {
                tracing::warn!(%alg, "it is configured no more: its keys sign nothing from now on");
            }
            changed.extend(plan.changed);
            retired.extend(plan.retired);
        }
        let withdrawn: Vec<&str> = revocations.iter().map(|revocation| revocation.id.as_str()).collect();
        self.retire(&retired, &withdrawn, now).await?;
        let counts = (changed.len(), retired.len());
        self.save_keys(&changed, &retired, revocations).await?;
        if counts != (0, 0) {
            tracing::info!(changed = counts.0, retired = counts.1, at = %now, "signing keys changed");
        }
        Ok(())
    }

    /// The schedule of an algorithm, with what verifiers may still reckon with because of any key there is.
    fn policy_beside(&self, records: &[KeyRecord], alg: Alg) -> KeyPolicy {
        let policy = self.config.key_policy(alg);
        let terms = records.iter().map(|key| key.terms).fold(policy.terms, KeyTerms::max);
        KeyPolicy { terms, ..policy }
    }

    /// Keeps what there is to keep, and takes it over.
    async fn save_keys(
        &self,
        changed: &[KeyRecord],
        retired: &[String],
        revocations: Vec<NewRevocation>,
    ) -> Result<(), OpenError> {
        if changed.is_empty() && retired.is_empty() && revocations.is_empty() {
            return Ok(());
        }
        self.store.save_keys(changed, retired, revocations).await?;
        self.reload_keys().await
    }

    /// Takes the keys over as the store has them.
    pub(crate) async fn reload_keys(&self) -> Result<(), OpenError> {
        self.catch_up().await.map(drop)
    }

    /// The keys as the store has them, which are taken over if they are others than those that are known here: a change
    /// may be durable whose end nobody has seen, and what is planned without it would undo it.
    async fn catch_up(&self) -> Result<Vec<KeyRecord>, OpenError> {
        let records = self.store.list_keys().await?;
        if !self.ring.load().records().eq(&records) {
            let ring = KeyRing::load(records.clone(), &self.secrets, &self.config)?;
            self.ring.store(Arc::new(ring));
        }
        Ok(records)
    }

    fn make_key(&self, alg: Alg, new: NewKey) -> Result<KeyRecord, OpenError> {
        // Every token carries the name: 11 characters are enough to tell keys apart.
        let name = base64url::encode(&random::<8>()?);
        let key = SigningKey::generate(alg, Some(&name))?;
        let sealed = self.secrets.seal(key.kid(), alg, &key.to_private_bytes()?)?;
        Ok(KeyRecord {
            kid: key.kid().to_owned(),
            alg,
            sealed,
            published_at: new.published_at,
            signs_from: new.signs_from,
            signed_until: None,
            terms: self.config.key_terms(),
        })
    }
}

fn of_alg(records: &[KeyRecord], alg: Alg) -> Vec<KeyRecord> {
    records.iter().filter(|key| key.alg == alg).cloned().collect()
}
