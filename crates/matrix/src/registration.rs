//! Making an account on a homeserver that allows it.

use ruma::{
    api::{
        client::{
            account::register,
            uiaa::{AuthData, AuthFlow, AuthType, Dummy, RegistrationToken, UiaaInfo},
        },
        error::ErrorKind,
    },
    assign,
};

use crate::{
    Account, AccountStore, Homeserver, LoginError, ServerError, StoreError,
    account::DEVICE_NAME,
    answered_account::Asked,
    client::Client,
    connection::Connection,
    credentials::Credentials,
    http_transport::Terms,
    login::{check_vacant, is_unrecognized, log_in},
    login_error::listed,
    server_error::{bounded, message},
};

/// A flow takes as many requests as it has stages; no homeserver needs more than this of those that we know.
const MAX_STAGES: usize = 6;

/// The account to be made.
#[derive(Clone, Copy)]
pub struct Registration<'a> {
    /// The Matrix ID between `@` and colon.
    pub localpart: &'a str,
    /// Derived from the identity for [`Homeserver::host`].
    pub password: &'a str,
    /// What the homeserver's owner hands out, if registration is not open to everybody.
    pub token: Option<&'a str>,
}

impl std::fmt::Debug for Registration<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            localpart: _,
            password: _,
            token,
        } = self;
        f.debug_struct("Registration")
            .field("token", &token.is_some())
            .finish_non_exhaustive()
    }
}

/// Why no account was made.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// Nobody can make an account there, at least not from here.
    #[error("the homeserver does not allow registration: {message}")]
    Closed {
        /// Its own words.
        message: String,
    },
    /// A registration token is asked for.
    #[error("the homeserver asks for a registration token; its owner hands them out (--token)")]
    TokenRequired,
    /// The registration token is wrong, used up or expired.
    #[error("the homeserver does not accept this registration token: {message}")]
    TokenRefused {
        /// Its own words.
        message: String,
    },
    /// It asks for things that this program cannot do.
    #[error("registering at this homeserver needs {}, which this program cannot do", listed(.needed, " or "))]
    Unsupported {
        /// The stages asked for, flow by flow.
        needed: Vec<String>,
    },
    /// It asks for authentication and names no way to give it.
    #[error("the homeserver asks for authentication and names no way to give it")]
    NoWay,
    /// It never has enough.
    #[error("the homeserver asks for authentication again and again, whatever it is given")]
    Endless,
    /// Somebody else holds the name: they can block calls to this address there, but cannot answer them.
    #[error(
        "the name {name} is held by somebody else at this homeserver; they can keep calls from you there but cannot answer them: choose another homeserver"
    )]
    NameTaken {
        /// The localpart that was asked for, `sc_` and the SecureCall ID.
        name: String,
    },
    /// The account exists, and logging in to it failed.
    #[error(transparent)]
    Login(LoginError),
    /// The homeserver could not be asked, or did not answer as it should.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The account could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<LoginError> for RegisterError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Server(error) => Self::Server(error),
            LoginError::Store(error) => Self::Store(error),
            other => Self::Login(other),
        }
    }
}

/// How the first question ended.
enum Outcome {
    Registered(Credentials),
    Exists,
    Closed(String),
}

impl Account {
    /// Makes an account and logs in; if it exists already and the password fits, just logs in.
    ///
    /// # Errors
    ///
    /// When the homeserver refuses, or the account cannot be stored.
    pub async fn register(
        homeserver: &Homeserver,
        store: &AccountStore,
        registration: Registration<'_>,
    ) -> Result<Self, RegisterError> {
        let Registration {
            localpart,
            password,
            ..
        } = registration;
        check_vacant(store).await?;
        let connection = Connection::new(homeserver)?;
        let client = connection.anonymous().await?;

        let credentials = match register(&client, registration).await? {
            Outcome::Registered(credentials) => credentials,
            // Ours from before, if the password fits: an answer may have been lost on its way.
            Outcome::Exists => match log_in(&client, localpart, password).await {
                Err(LoginError::WrongPassword | LoginError::Deactivated) => {
                    return Err(RegisterError::NameTaken {
                        name: localpart.to_owned(),
                    });
                }
                other => other?,
            },
            // Somebody may have made the account before registration was closed.
            Outcome::Closed(message) => match log_in(&client, localpart, password).await {
                Err(
                    LoginError::WrongPassword
                    | LoginError::Deactivated
                    | LoginError::Unsupported { .. },
                ) => {
                    return Err(RegisterError::Closed { message });
                }
                other => other?,
            },
        };
        let asked = Asked::Localpart(localpart);
        Ok(Self::take(&connection, store, credentials, asked).await?)
    }
}

async fn register(
    client: &Client,
    registration: Registration<'_>,
) -> Result<Outcome, RegisterError> {
    let Registration {
        localpart,
        password,
        token,
    } = registration;
    let mut auth = None;
    for _ in 0..=MAX_STAGES {
        let token_given = matches!(auth, Some(AuthData::RegistrationToken(_)));
        let request = assign!(register::v3::Request::new(), {
            username: Some(localpart.to_owned()),
            password: Some(password.to_owned()),
            initial_device_display_name: Some(DEVICE_NAME.to_owned()),
            auth: auth.take(),
        });
        // The second would find that the name is taken.
        let error = match client.send_on(Terms::ONCE, request).await {
            Ok(response) => return registered(response),
            Err(error) => error,
        };
        if let Some(challenge) = error.as_uiaa_response() {
            // A stage that failed is asked for again, with the reason (Client-Server API, user-interactive
            // authentication).
            if let (true, Some(refusal)) = (token_given, &challenge.auth_error) {
                return Err(RegisterError::TokenRefused {
                    message: bounded(&refusal.message),
                });
            }
            auth = Some(next_stage(challenge, token)?);
            continue;
        }
        let words = error.as_client_api_error().map(message).unwrap_or_default();
        return match error.client_api_error_kind() {
            Some(ErrorKind::UserInUse | ErrorKind::Exclusive) => Ok(Outcome::Exists),
            Some(ErrorKind::Unauthorized) if token_given => {
                Err(RegisterError::TokenRefused { message: words })
            }
            Some(ErrorKind::Forbidden) => Ok(Outcome::Closed(words)),
            kind if is_unrecognized(kind) => Ok(Outcome::Closed(words)),
            _ => Err(ServerError::from_http(&error).into()),
        };
    }
    Err(RegisterError::Endless)
}

fn registered(response: register::v3::Response) -> Result<Outcome, RegisterError> {
    let (Some(access_token), Some(device_id)) = (response.access_token, response.device_id) else {
        let reason = "it registered the account without logging in".to_owned();
        return Err(ServerError::NotMatrix { reason }.into());
    };
    Ok(Outcome::Registered(Credentials {
        user_id: response.user_id,
        device_id,
        access_token,
    }))
}

/// What to answer to an authentication challenge: the next stage of the shortest flow that we can finish.
fn next_stage(challenge: &UiaaInfo, token: Option<&str>) -> Result<AuthData, RegisterError> {
    let can = |stage: &AuthType| match stage {
        AuthType::Dummy => true,
        AuthType::RegistrationToken => token.is_some(),
        _ => false,
    };
    let flow = challenge
        .flows
        .iter()
        .filter(|flow| flow.stages.len() <= MAX_STAGES && flow.stages.iter().all(can))
        .min_by_key(|flow| flow.stages.len())
        .ok_or_else(|| cannot(&challenge.flows))?;

    let next = flow
        .stages
        .iter()
        .find(|stage| !challenge.completed.contains(stage));
    let session = challenge.session.clone();
    Ok(match (next, token) {
        (Some(AuthType::RegistrationToken), Some(token)) => {
            AuthData::RegistrationToken(assign!(RegistrationToken::new(token.to_owned()), {
                session
            }))
        }
        _ => AuthData::Dummy(assign!(Dummy::new(), { session })),
    })
}

/// Why none of the flows will do.
fn cannot(flows: &[AuthFlow]) -> RegisterError {
    let token_would_do = |flow: &AuthFlow| {
        flow.stages.len() <= MAX_STAGES
            && flow
                .stages
                .iter()
                .all(|stage| matches!(stage, AuthType::Dummy | AuthType::RegistrationToken))
    };
    if flows.iter().any(token_would_do) {
        return RegisterError::TokenRequired;
    }
    // What is left has stages, or there is nothing at all.
    if flows.is_empty() {
        return RegisterError::NoWay;
    }
    RegisterError::Unsupported {
        needed: flows.iter().map(|flow| needed(&flow.stages)).collect(),
    }
}

/// The stages of a flow, as people are told them.
fn needed(stages: &[AuthType]) -> String {
    let stages: Vec<String> = stages
        .iter()
        .map(|stage| stage.as_str().to_owned())
        .collect();
    bounded(&listed(&stages, " and "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(flows: &[&[AuthType]], completed: &[AuthType]) -> UiaaInfo {
        let flows = flows
            .iter()
            .map(|stages| AuthFlow::new(stages.to_vec()))
            .collect();
        assign!(UiaaInfo::new(flows), { completed: completed.to_vec(), session: Some("s".to_owned()) })
    }

    #[test]
    fn the_shortest_flow_that_can_be_finished_is_taken() {
        let flows: &[&[AuthType]] = &[
            &[AuthType::ReCaptcha],
            &[AuthType::RegistrationToken, AuthType::Dummy],
            &[AuthType::Dummy],
        ];
        assert!(matches!(
            next_stage(&challenge(flows, &[]), None),
            Ok(AuthData::Dummy(_))
        ));
    }

    #[test]
    fn stages_are_taken_in_order() {
        let flows: &[&[AuthType]] = &[&[AuthType::RegistrationToken, AuthType::Dummy]];
        let first = next_stage(&challenge(flows, &[]), Some("t"));
        assert!(matches!(first, Ok(AuthData::RegistrationToken(data)) if data.token == "t"));
        let second = next_stage(&challenge(flows, &[AuthType::RegistrationToken]), Some("t"));
        assert!(matches!(second, Ok(AuthData::Dummy(_))));
    }

    #[test]
    fn what_is_missing_is_named() {
        let token: &[&[AuthType]] = &[&[AuthType::RegistrationToken, AuthType::Dummy]];
        assert!(matches!(
            next_stage(&challenge(token, &[]), None),
            Err(RegisterError::TokenRequired)
        ));

        let browser: &[&[AuthType]] = &[
            &[AuthType::ReCaptcha, AuthType::Terms],
            &[AuthType::EmailIdentity],
        ];
        let error = next_stage(&challenge(browser, &[]), Some("t"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("m.login.recaptcha and m.login.terms or m.login.email.identity"),
            "{error}"
        );
    }

    #[test]
    fn flows_without_stages_ask_for_nothing_and_no_flows_are_no_way() {
        let empty = next_stage(&challenge(&[&[]], &[]), None);
        assert!(matches!(empty, Ok(AuthData::Dummy(_))));
        let error = next_stage(&challenge(&[], &[]), Some("t")).unwrap_err();
        assert!(matches!(error, RegisterError::NoWay), "{error}");
    }

    #[test]
    fn flows_are_followed_and_told_up_to_a_bound() {
        let long = vec![AuthType::Dummy; MAX_STAGES + 1];
        let error = next_stage(&challenge(&[&long], &[]), None).unwrap_err();
        assert!(
            matches!(error, RegisterError::Unsupported { .. }),
            "{error}"
        );

        let huge = vec![AuthType::from("x".repeat(10_000)); 100];
        let flows = vec![huge.as_slice(); 100];
        let error = next_stage(&challenge(&flows, &[]), None).unwrap_err();
        assert!(
            error.to_string().len() < 2_500,
            "{}",
            error.to_string().len()
        );
    }
}
