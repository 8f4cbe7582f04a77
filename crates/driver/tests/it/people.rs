//! People with a client each.

use std::{path::PathBuf, sync::OnceLock, time::Duration};

use securecall_contact::SecureCallId;
use securecall_crypto::{IdentityKeyPair, IdentitySeed};
use securecall_driver::{
    AnswerPolicy, AudioSpec, CallEvent, CallOptions, Callee, Client, ClientConfig, EndReason,
    Event, NamedCall, Reach, Route,
};
use securecall_interop::{Synapse, SynapseOptions};
use securecall_matrix::{Account, AccountStore, Homeserver, Registration, StoreKey};
use securecall_randomness::SystemRandomness;
use tempfile::TempDir;

/// No event of a call takes longer; only a test that fails waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(45);

/// The homeserver that all tests share which do not break it.
pub(crate) fn synapse() -> &'static Synapse {
    static SYNAPSE: OnceLock<Synapse> = OnceLock::new();
    log();
    SYNAPSE.get_or_init(|| Synapse::start(SynapseOptions::default()).unwrap())
}

/// What `RUST_LOG` asks for.
pub(crate) fn log() {
    let _already = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_test_writer()
        .try_init();
}

/// Somebody with an identity and an account.
pub(crate) struct Person {
    seed: IdentitySeed,
    pub(crate) account: Account,
    pub(crate) folder: TempDir,
}

impl Person {
    pub(crate) async fn new(synapse: &Synapse) -> Self {
        Self::with_account(&synapse.base_url(), |id| format!("sc_{id}")).await
    }

    /// Somebody whose account says nothing of a key.
    pub(crate) async fn ordinary(synapse: &Synapse) -> Self {
        Self::ordinary_behind(&synapse.base_url()).await
    }

    /// The same, at a homeserver that has this address for them.
    pub(crate) async fn ordinary_behind(base_url: &str) -> Self {
        Self::with_account(base_url, |id| format!("user_{}", &id.to_string()[..20])).await
    }

    async fn with_account(base_url: &str, localpart: impl FnOnce(&SecureCallId) -> String) -> Self {
        let seed = IdentitySeed::generate(&mut SystemRandomness);
        let folder = tempfile::tempdir().unwrap();
        let homeserver = Homeserver::new(base_url).unwrap();
        let store = store_in(&folder);
        let id = SecureCallId::new(&IdentityKeyPair::from_seed(&seed).public());
        let registration = Registration {
            localpart: &localpart(&id),
            password: &seed.account_password(homeserver.host()),
            token: None,
        };
        let account = Account::register(&homeserver, &store, registration)
            .await
            .unwrap();
        Self {
            seed,
            account,
            folder,
        }
    }

    pub(crate) fn as_callee(&self) -> Callee {
        Callee {
            identity: Some(self.identity().public()),
            matrix_id: self.account.matrix_id().clone(),
        }
    }

    /// A client that plays a tone, records what it hears, and answers everybody.
    pub(crate) fn config(&self, tone_hz: u32) -> ClientConfig {
        let mut config = ClientConfig::new(self.identity(), self.folder.path().join("replay"));
        config.audio = AudioSpec {
            microphone: format!("tone:{tone_hz}").parse().unwrap(),
            speaker: self.recording().to_str().unwrap().parse().unwrap(),
            ..AudioSpec::default()
        };
        config.answer = AnswerPolicy::Auto;
        config.inbound = direct();
        config.network.bind = vec!["127.0.0.1".parse().unwrap()];
        config.network.reach = Reach::ThisMachine;
        config
    }

    /// Ends the session of this person's device, as from elsewhere.
    pub(crate) async fn sign_out_elsewhere(&self) {
        let same_device = Account::restore(&store_in(&self.folder)).await.unwrap();
        same_device.logout().await.unwrap();
    }

    pub(crate) fn recording(&self) -> PathBuf {
        self.folder.path().join("heard.wav")
    }

    fn identity(&self) -> IdentityKeyPair {
        IdentityKeyPair::from_seed(&self.seed)
    }
}

fn store_in(folder: &TempDir) -> AccountStore {
    AccountStore::new(folder.path().join("account"), StoreKey::new([7; 32]))
}

/// Strangers without a relay between them.
pub(crate) fn direct() -> CallOptions {
    by(Route::Direct)
}

pub(crate) fn by_relay() -> CallOptions {
    by(Route::Relay)
}

pub(crate) fn by(route: Route) -> CallOptions {
    CallOptions {
        route: Some(route),
        ..CallOptions::default()
    }
}

/// Waits for an event that fits; the others pass by.
pub(crate) async fn wait_for<T>(
    client: &mut Client,
    mut fits: impl FnMut(&Event) -> Option<T>,
) -> T {
    let mut passed = Vec::new();
    let waiting = async {
        while let Some(event) = client.next_event().await {
            if let Some(found) = fits(&event) {
                return Some(found);
            }
            passed.push(format!("{event:?}"));
        }
        None
    };
    let found = tokio::time::timeout(PATIENCE, waiting).await;
    match found {
        Ok(Some(found)) => found,
        Ok(None) => panic!("the client stopped; there was {passed:#?}"),
        Err(_) => panic!("it never came; there was {passed:#?}"),
    }
}

pub(crate) async fn incoming(client: &mut Client) -> NamedCall {
    wait_for(client, |event| match event {
        Event::Call(CallEvent::Incoming { call, .. }) => Some(call.clone()),
        _ => None,
    })
    .await
}

pub(crate) async fn connected(client: &mut Client) -> (NamedCall, String) {
    wait_for(client, |event| match event {
        Event::Call(CallEvent::Connected {
            call,
            safety_words: Some(safety_words),
            setup,
            ..
        }) => {
            println!("connected after {setup:?}");
            Some((call.clone(), safety_words.to_string()))
        }
        _ => None,
    })
    .await
}

pub(crate) async fn ended(client: &mut Client) -> EndReason {
    wait_for(client, |event| match event {
        Event::Call(CallEvent::Ended { reason, .. }) => Some(*reason),
        _ => None,
    })
    .await
}

/// Two people, their clients, and a call between them.
pub(crate) struct InCall {
    pub(crate) caller: Person,
    pub(crate) callee: Person,
    pub(crate) calling: Client,
    pub(crate) called: Client,
    /// As the caller's client tells of it.
    pub(crate) call: NamedCall,
    /// As the callee's client does.
    pub(crate) callees_call: NamedCall,
}

/// Both clients, the caller's first, and the call that the caller has placed.
pub(crate) async fn placed(
    caller: &Person,
    callee: &Person,
    configs: [ClientConfig; 2],
) -> (Client, Client, NamedCall) {
    placed_with(caller, callee, configs, direct()).await
}

/// The same, with a call of these options.
pub(crate) async fn placed_with(
    caller: &Person,
    callee: &Person,
    [calling, called]: [ClientConfig; 2],
    options: CallOptions,
) -> (Client, Client, NamedCall) {
    let called = Client::start(called, callee.account.clone()).await.unwrap();
    let calling = Client::start(calling, caller.account.clone())
        .await
        .unwrap();
    let call = calling
        .handle()
        .call(callee.as_callee(), options)
        .await
        .unwrap();
    (calling, called, call)
}

impl InCall {
    pub(crate) async fn between(
        caller: Person,
        callee: Person,
        configs: [ClientConfig; 2],
    ) -> Self {
        Self::with_options(caller, callee, configs, direct()).await
    }

    pub(crate) async fn with_options(
        caller: Person,
        callee: Person,
        configs: [ClientConfig; 2],
        options: CallOptions,
    ) -> Self {
        let (mut calling, mut called, call) = placed_with(&caller, &callee, configs, options).await;
        let ((caller_call, caller_words), (callee_call, callee_words)) =
            tokio::join!(connected(&mut calling), connected(&mut called));
        assert_eq!((&caller_call, &callee_call.id), (&call, &call.id));
        assert_eq!(caller_words, callee_words);
        Self {
            caller,
            callee,
            calling,
            called,
            call,
            callees_call: callee_call,
        }
    }

    /// The caller hangs up, and both clients end.
    pub(crate) async fn hang_up(&mut self) {
        let handle = self.calling.handle();
        handle.hangup(self.call.handle).await.unwrap();
        assert_eq!(ended(&mut self.called).await, EndReason::RemoteHangup);
        assert_eq!(ended(&mut self.calling).await, EndReason::LocalHangup);
    }
}

/// Waits until the peer was heard for two seconds.
pub(crate) async fn hears(client: &mut Client) {
    wait_for(client, |event| {
        matches!(event, Event::Stats { stats, .. } if stats.frames_received > 100).then_some(())
    })
    .await;
}

/// To-device messages for some people that wait at the homeserver.
pub(crate) fn waiting_messages(synapse: &Synapse, people: &[&Person]) -> u64 {
    let database = rusqlite::Connection::open_with_flags(
        synapse.database_path(),
        rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY,
    )
    .unwrap();
    let count = |person: &&Person| -> u64 {
        let user = person.account.matrix_id().as_str();
        let sql = "SELECT count(*) FROM device_inbox WHERE user_id = ?1";
        database.query_row(sql, [user], |row| row.get(0)).unwrap()
    };
    people.iter().map(count).sum()
}
