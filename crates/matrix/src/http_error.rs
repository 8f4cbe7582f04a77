//! What can go wrong with one request, before anybody says what that means for an account.

use std::time::Duration;

use ruma::api::{
    client::uiaa::{UiaaInfo, UiaaResponse},
    error::{Error as ApiError, ErrorKind, FromHttpResponseError, IntoHttpError},
};

use crate::{ServerError, sync_scanner::UnreadableSync};

/// Why a request was not answered, or not with what was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// The network, or HTTP itself.
    #[error(transparent)]
    Network(#[from] reqwest::Error),
    /// Nothing came in time.
    #[error("no answer in time")]
    TimedOut,
    /// The connection was let go before there was an answer.
    #[error("the connection was lost before there was an answer")]
    ConnectionLost,
    /// Our side of the connection.
    #[error(transparent)]
    Ours(#[from] ServerError),
    /// It wants us to wait; so may something in front of it that knows nothing of Matrix.
    #[error("it asks to wait")]
    TooManyRequests {
        /// For how long, if it says so.
        retry_after: Option<Duration>,
    },
    /// More came than is ever needed.
    #[error("the answer has more than {limit} bytes")]
    TooLarge {
        /// What was allowed.
        limit: usize,
    },
    /// It is compressed, although we say that we take no such thing.
    #[error("the answer is compressed, which was not asked for")]
    Compressed,
    /// It sends us elsewhere.
    #[error("the answer leads elsewhere")]
    Redirected {
        /// Scheme, host and port of where to, if it says so.
        to: Option<String>,
    },
    /// HTML or XML where JSON belongs: a login page of the network, or a website.
    #[error("the answer is a web page")]
    WebPage,
    /// What it says cannot be read.
    #[error(transparent)]
    UnreadableSync(#[from] UnreadableSync),
    /// An error of the homeserver, or an answer that cannot be read.
    #[error(transparent)]
    Api(Box<FromHttpResponseError<UiaaResponse>>),
    /// Our own request cannot be written.
    #[error(transparent)]
    Request(#[from] IntoHttpError),
}

impl HttpError {
    /// The homeserver's error, if it is one in Matrix' form.
    pub(crate) fn as_client_api_error(&self) -> Option<&ApiError> {
        match self.as_server_error()? {
            UiaaResponse::MatrixError(error) => Some(error),
            UiaaResponse::AuthResponse(_) => None,
        }
    }

    /// The `errcode` of the homeserver's error.
    pub(crate) fn client_api_error_kind(&self) -> Option<&ErrorKind> {
        self.as_client_api_error().and_then(ApiError::error_kind)
    }

    /// The homeserver's demand for more authentication.
    pub(crate) fn as_uiaa_response(&self) -> Option<&UiaaInfo> {
        match self.as_server_error()? {
            UiaaResponse::AuthResponse(info) => Some(info),
            UiaaResponse::MatrixError(_) => None,
        }
    }

    fn as_server_error(&self) -> Option<&UiaaResponse> {
        match self {
            Self::Api(error) => match &**error {
                FromHttpResponseError::Server(error) => Some(error),
                _ => None,
            },
            _ => None,
        }
    }
}

impl From<FromHttpResponseError<UiaaResponse>> for HttpError {
    fn from(error: FromHttpResponseError<UiaaResponse>) -> Self {
        Self::Api(Box::new(error))
    }
}

impl From<FromHttpResponseError<ApiError>> for HttpError {
    fn from(error: FromHttpResponseError<ApiError>) -> Self {
        Self::Api(Box::new(error.map(UiaaResponse::MatrixError)))
    }
}
