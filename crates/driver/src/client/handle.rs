//! Orders to a running client.

use securecall_audio_device::DeviceWish;
use securecall_matrix::ServerError;
use securecall_session::{
    CallError, CallHandle, CallOptions, Callee, CommandError, ConferenceHandle, Contacts,
    GroupError, NamedCall, NamedConference,
};
use tokio::sync::{mpsc, oneshot};

use super::group_rooms::Reply;

/// Why a call is not placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// The endpoint refuses it.
    #[error(transparent)]
    Refused(#[from] CallError),
    /// The client has stopped.
    #[error("the client has stopped")]
    Stopped,
}

/// Why nobody is called into a conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceGroupError {
    /// The endpoint refuses it.
    #[error(transparent)]
    Refused(#[from] GroupError),
    /// The client has stopped.
    #[error("the client has stopped")]
    Stopped,
}

/// The group call of a room, as it is asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RoomCallOrder {
    /// The room's alias or ID.
    pub room: String,
    /// What sets the calls up may be in clear, to and from apps that cannot encrypt it.
    pub in_clear: bool,
    /// Our microphone is muted from the beginning.
    pub muted: bool,
    /// What each of its calls is to be like.
    pub options: CallOptions,
}

/// Why we are not in the group call of a room.
#[derive(Debug, thiserror::Error)]
pub enum RoomCallError {
    /// There is no such room, or the text names none.
    #[error("there is no such room")]
    NoSuchRoom,
    /// The room does not let us in.
    #[error("the room does not let this account in")]
    NotAllowed,
    /// The sound of the call goes over a server.
    #[error("the call of this room goes over a media server")]
    MediaServer,
    /// The endpoint refuses it.
    #[error(transparent)]
    Refused(#[from] CallError),
    /// The homeserver did not answer, or with something unusable.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The client has stopped.
    #[error("the client has stopped")]
    Stopped,
}

/// An order to the client's task.
#[derive(Debug)]
pub(super) enum Command {
    Call {
        callee: Callee,
        options: CallOptions,
        reply: oneshot::Sender<Result<NamedCall, CallError>>,
    },
    CallGroup {
        callees: Vec<Callee>,
        options: CallOptions,
        reply: oneshot::Sender<Result<NamedConference, GroupError>>,
    },
    Add {
        call: CallHandle,
        callee: Callee,
        options: CallOptions,
        reply: oneshot::Sender<Result<NamedConference, GroupError>>,
    },
    JoinRoomCall(RoomCallOrder, Reply),
    Leave(ConferenceHandle, oneshot::Sender<Result<(), CommandError>>),
    Answer(CallHandle, oneshot::Sender<Result<(), CommandError>>),
    Reject(CallHandle, oneshot::Sender<Result<(), CommandError>>),
    Hangup(CallHandle, oneshot::Sender<Result<(), CommandError>>),
    SetMuted(CallHandle, bool, oneshot::Sender<Result<(), CommandError>>),
    SetConferenceMuted(
        ConferenceHandle,
        bool,
        oneshot::Sender<Result<(), CommandError>>,
    ),
    SetHeld(CallHandle, bool, oneshot::Sender<Result<(), CommandError>>),
    Exchange(
        CallHandle,
        DeviceWish,
        oneshot::Sender<Result<(), CommandError>>,
    ),
    SetVolume(CallHandle, f32, oneshot::Sender<Result<(), CommandError>>),
    SetContacts(Contacts),
    Stop,
}

/// Gives orders to a running client; may be cloned and sent to other tasks.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(super) commands: mpsc::Sender<Command>,
}

impl Handle {
    /// Calls somebody.
    ///
    /// # Errors
    ///
    /// See [`PlaceError`].
    pub async fn call(
        &self,
        callee: Callee,
        options: CallOptions,
    ) -> Result<NamedCall, PlaceError> {
        let (reply, answer) = oneshot::channel();
        let sent = self
            .commands
            .send(Command::Call {
                callee,
                options,
                reply,
            })
            .await;
        sent.map_err(|_| PlaceError::Stopped)?;
        Ok(answer.await.map_err(|_| PlaceError::Stopped)??)
    }

    /// Calls several people into one conference.
    ///
    /// # Errors
    ///
    /// See [`PlaceGroupError`]; nobody was called then.
    pub async fn call_group(
        &self,
        callees: Vec<Callee>,
        options: CallOptions,
    ) -> Result<NamedConference, PlaceGroupError> {
        self.place_group(|reply| Command::CallGroup {
            callees,
            options,
            reply,
        })
        .await
    }

    /// Calls somebody into a call that is connected: it becomes a conference, or is a leg of one.
    ///
    /// # Errors
    ///
    /// See [`PlaceGroupError`]; nobody was called then.
    pub async fn add(
        &self,
        call: CallHandle,
        callee: Callee,
        options: CallOptions,
    ) -> Result<NamedConference, PlaceGroupError> {
        self.place_group(|reply| Command::Add {
            call,
            callee,
            options,
            reply,
        })
        .await
    }

    /// Is in the group call of a room, which is joined, or begun where there is none. It is told before anything is written into the
    /// room ([`ConferenceEvent::Keeps`](crate::ConferenceEvent::Keeps)).
    ///
    /// # Errors
    ///
    /// See [`RoomCallError`].
    pub async fn join_room_call(
        &self,
        order: RoomCallOrder,
    ) -> Result<NamedConference, RoomCallError> {
        let (reply, answer) = oneshot::channel();
        let sent = self
            .commands
            .send(Command::JoinRoomCall(order, reply))
            .await;
        sent.map_err(|_| RoomCallError::Stopped)?;
        answer.await.map_err(|_| RoomCallError::Stopped)?
    }

    /// Leaves a conference, or the group call of a room: ends all its legs. The others talk on.
    ///
    /// # Errors
    ///
    /// We are in no such conference.
    pub async fn leave(&self, conference: ConferenceHandle) -> Result<(), CommandError> {
        self.command(|reply| Command::Leave(conference, reply))
            .await
    }

    /// Takes a call that rings here.
    ///
    /// # Errors
    ///
    /// There is no such call, or it does not ring here.
    pub async fn answer(&self, call: CallHandle) -> Result<(), CommandError> {
        self.command(|reply| Command::Answer(call, reply)).await
    }

    /// Declines a call that rings here, on all devices.
    ///
    /// # Errors
    ///
    /// There is no such call, or it does not ring here.
    pub async fn reject(&self, call: CallHandle) -> Result<(), CommandError> {
        self.command(|reply| Command::Reject(call, reply)).await
    }

    /// Ends a call, whatever its state.
    ///
    /// # Errors
    ///
    /// There is no such call.
    pub async fn hangup(&self, call: CallHandle) -> Result<(), CommandError> {
        self.command(|reply| Command::Hangup(call, reply)).await
    }

    /// Sends encoded silence in place of the microphone, or the microphone again.
    ///
    /// # Errors
    ///
    /// There is no such call.
    pub async fn set_muted(&self, call: CallHandle, muted: bool) -> Result<(), CommandError> {
        self.command(|reply| Command::SetMuted(call, muted, reply))
            .await
    }

    /// The same in all legs of a conference, or of the group call of a room, and in those that come.
    ///
    /// # Errors
    ///
    /// We are in no such conference.
    pub async fn set_conference_muted(
        &self,
        conference: ConferenceHandle,
        muted: bool,
    ) -> Result<(), CommandError> {
        self.command(|reply| Command::SetConferenceMuted(conference, muted, reply))
            .await
    }

    /// Holds a call, or resumes it: neither side hears the other meanwhile.
    ///
    /// # Errors
    ///
    /// There is no such call, or it is not connected.
    pub async fn set_held(&self, call: CallHandle, held: bool) -> Result<(), CommandError> {
        self.command(|reply| Command::SetHeld(call, held, reply))
            .await
    }

    /// Puts another microphone or speaker in the place of the one that a call has, for the rest of it. It is opened first;
    /// if it cannot be, [`Event::DeviceRefused`](crate::Event::DeviceRefused) says why, and nothing has changed.
    ///
    /// # Errors
    ///
    /// There is no such call, or it has no microphone and speaker yet.
    pub async fn exchange(&self, call: CallHandle, wish: DeviceWish) -> Result<(), CommandError> {
        self.command(|reply| Command::Exchange(call, wish, reply))
            .await
    }

    /// Multiplies what is heard of one peer: by 0 for nothing, by 1 for as it comes, by 4 for the most. Where several are heard,
    /// the others stay as they are. Nobody else learns of it.
    ///
    /// # Errors
    ///
    /// There is no such call, or nothing can be heard of it yet.
    pub async fn set_volume(&self, call: CallHandle, gain: f32) -> Result<(), CommandError> {
        self.command(|reply| Command::SetVolume(call, gain, reply))
            .await
    }

    /// Replaces what the client knows of our contacts, and the rules about people.
    pub async fn set_contacts(&self, contacts: Contacts) {
        let _ = self.commands.send(Command::SetContacts(contacts)).await;
    }

    /// Asks the client to stop as [`Client::stop`](crate::Client::stop) does, without waiting for it.
    pub async fn request_stop(&self) {
        let _ = self.commands.send(Command::Stop).await;
    }

    async fn place_group(
        &self,
        make: impl FnOnce(oneshot::Sender<Result<NamedConference, GroupError>>) -> Command,
    ) -> Result<NamedConference, PlaceGroupError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.commands.send(make(reply)).await;
        sent.map_err(|_| PlaceGroupError::Stopped)?;
        Ok(answer.await.map_err(|_| PlaceGroupError::Stopped)??)
    }

    async fn command(
        &self,
        make: impl FnOnce(oneshot::Sender<Result<(), CommandError>>) -> Command,
    ) -> Result<(), CommandError> {
        let (reply, answer) = oneshot::channel();
        if self.commands.send(make(reply)).await.is_err() {
            return Err(CommandError::NoSuchCall);
        }
        answer.await.unwrap_or(Err(CommandError::NoSuchCall))
    }
}
