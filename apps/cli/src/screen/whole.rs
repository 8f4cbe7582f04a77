//! What the terminal shows: one of the screens.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::Frame;
use securecall_contact::{FoundAddress, MatrixId, SecureCallId};
use securecall_driver::{CallEvent, CallHandle, ConferenceEvent, DeviceWish, EndReason, Event};
use securecall_profile::Contact;
use securecall_profile::contact_book::Draft;

use super::cells;
use super::foot::{Foot, SoundChoice};
use super::group::GroupScreen;
use super::main_screen::{MainScreen, TypedLine, Wish};
use super::palette::Palette;
use super::state::{Action, CallScreen};
use crate::calling::Volume;
use crate::error::Failure;
use crate::output::group_reason_words;

/// A call that comes in while somebody types is not answered by what they type; and who hangs up just when the other
/// side does, does not want to quit.
const TIME_TO_NOTICE: Duration = Duration::from_secs(1);

/// What is shown: the call if there is one, else the main screen if there is one.
#[derive(Debug)]
pub(crate) struct Screen {
    call: CallScreen,
    /// In place of the call, while there is a group call.
    group: Option<GroupScreen>,
    /// The group call that gave way to the one that begins next, of which one leg goes on there.
    gave_way: Option<GroupScreen>,
    /// What is asked in the call, in place of its keys.
    foot: Option<Foot>,
    /// `None` where the program is for one call only.
    main: Option<MainScreen>,
    /// Keys pressed until then were meant for the screen before.
    deaf_until: Option<Instant>,
}

impl Screen {
    /// The screen of a program that is for one call.
    pub(crate) fn of_call() -> Self {
        Self {
            call: CallScreen::new(),
            group: None,
            gave_way: None,
            foot: None,
            main: None,
            deaf_until: None,
        }
    }

    /// The screen of a program that waits for calls to `own_address`.
    pub(crate) fn of_listener(own_address: MatrixId) -> Self {
        Self {
            main: Some(MainScreen::new(own_address)),
            ..Self::of_call()
        }
    }

    /// Takes in what happened.
    pub(crate) fn handle(&mut self, now: Instant, event: &Event) {
        if let Some(main) = &mut self.main {
            main.handle(now, event);
        }
        if let Event::Call(CallEvent::Conference { event, .. }) = event {
            return self.handle_conference(now, event);
        }
        if let Some(group) = &mut self.group {
            return group.handle(event);
        }
        let Some(main) = &mut self.main else {
            return self.call.handle(now, event);
        };
        match event {
            Event::Call(CallEvent::Dialing { .. } | CallEvent::Incoming { .. }) => {
                if !self.call.is_going_on() {
                    let is_typing = main.is_being_typed_in();
                    self.deaf_until = is_typing.then(|| now + TIME_TO_NOTICE);
                }
                self.call.handle(now, event);
            }
            Event::Call(CallEvent::Ended { reason, .. }) if self.call.is_going_on() => {
                // Both before `reset`, which forgets whom the call was with.
                if let Some(text) = self.call.epitaph(now, *reason) {
                    main.call_ended(now, text);
                }
                if let Some((id, matrix_id)) = self.call.stranger() {
                    main.offer_stranger(now, id, &matrix_id);
                }
                self.deaf_until = (!is_our_doing(*reason)).then(|| now + TIME_TO_NOTICE);
                self.foot = None;
                self.call.reset();
            }
            _ if self.call.is_going_on() => self.call.handle(now, event),
            _ => {}
        }
    }

    /// Takes in what happened to a group call.
    fn handle_conference(&mut self, now: Instant, event: &ConferenceEvent) {
        if let ConferenceEvent::Began { call } = event
            && !self.group.as_ref().is_some_and(GroupScreen::is_of_room)
        {
            let known_verified = self.call.known_verified();
            self.group = Some(match (call, self.gave_way.take()) {
                (Some(call), Some(before)) if before.has_leg(call.handle) => {
                    before.going_on_with(call.handle)
                }
                (Some(call), _) => GroupScreen::of_call(call.handle, &self.call),
                (None, _) => GroupScreen::new(known_verified.clone()),
            });
            self.call.reset();
            return;
        }
        if let ConferenceEvent::Keeps(room) = event {
            let known_verified = self.call.known_verified().clone();
            self.group = Some(GroupScreen::of_room(known_verified, room));
            return;
        }
        let Some(group) = &mut self.group else {
            return;
        };
        match event {
            ConferenceEvent::Ended { reason, .. } => {
                let why = group_reason_words(reason.as_str(), group.is_of_room());
                self.foot = None;
                let Some(main) = &mut self.main else {
                    return group.ended(why);
                };
                main.call_ended(now, group.epitaph(now, why));
                self.deaf_until = (!is_our_doing(*reason)).then(|| now + TIME_TO_NOTICE);
                self.group = None;
            }
            // The other one follows at once.
            ConferenceEvent::Replaced { .. } => self.gave_way = self.group.take(),
            event => group.handle_conference(now, event),
        }
    }

    /// From now on these are the contacts, these keys are verified, and whoever is at these addresses is blocked.
    pub(crate) fn know_contacts(
        &mut self,
        contacts: &[Contact],
        verified: &BTreeSet<SecureCallId>,
        blocked: Vec<MatrixId>,
    ) {
        self.call.know_verified(verified);
        if let Some(group) = &mut self.group {
            group.know_verified(verified);
        }
        if let Some(main) = &mut self.main {
            main.know_contacts(contacts);
            main.know_blocked(blocked);
        }
    }

    /// The user took the call.
    pub(crate) fn accepted(&mut self) {
        self.call.accepted();
    }

    /// The person has verified the peer.
    pub(crate) fn verified(&mut self, contact: &Contact) {
        match &mut self.group {
            Some(group) => group.verified(contact),
            None => self.call.verified(contact),
        }
    }

    /// A member of a group call is heard so loud from now on.
    pub(crate) fn set_volume(&mut self, call: CallHandle, volume: Volume) {
        if let Some(group) = &mut self.group {
            group.set_volume(call, volume);
        }
    }

    /// The person is asked whether a standard Matrix call is good enough.
    pub(crate) fn ask_for_consent(&mut self, contact: Contact) {
        if let Some(main) = &mut self.main {
            main.ask_for_consent(contact);
        }
    }

    /// These contacts were found; the draft is the list that they are weighed against.
    pub(crate) fn found(&mut self, found: Vec<FoundAddress>, draft: Draft) {
        if let Some(main) = &mut self.main {
            main.found(found, draft);
        }
    }

    /// These microphones and speakers are there, where somebody wants to know it.
    pub(crate) fn found_devices(&mut self, wishes: Vec<DeviceWish>) {
        if let Some(Foot::Sound(choice)) = &mut self.foot {
            choice.found(wishes);
        }
    }

    /// What was wished for is done; `contact` is worth looking at.
    pub(crate) fn done(&mut self, now: Instant, text: String, contact: Option<&Contact>) {
        if let Some(main) = &mut self.main {
            main.done(now, text, contact);
        }
    }

    /// Something that was wanted did not work.
    pub(crate) fn failed(&mut self, failure: &Failure) {
        let is_going_on = self.is_going_on();
        match (&mut self.main, &mut self.group) {
            (Some(main), _) if !is_going_on => main.failed(failure),
            (_, Some(group)) => group.failed(failure),
            _ => self.call.failed(failure),
        }
    }

    /// What a key means now; `None` where it means nothing to others.
    pub(crate) fn key(&mut self, now: Instant, key: KeyEvent) -> Option<Action> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let is_deaf = self.deaf_until.is_some_and(|until| now < until);
        match (key.code, &mut self.main) {
            (KeyCode::Char('l'), _) if control => Some(Action::Redraw),
            (KeyCode::Char('c'), _) if control => Some(Action::Interrupt),
            (_, Some(main)) if !self.call.is_going_on() => {
                let wish = main.key(key);
                wish.filter(|wish| *wish != Wish::Quit || !is_deaf)
                    .map(Action::Wish)
            }
            _ if is_deaf => None,
            _ => self.key_in_call(key),
        }
    }

    /// Takes a pasted text. In a call there is nothing it could be for but somebody to add.
    pub(crate) fn paste(&mut self, text: &str) {
        let is_going_on = self.is_going_on();
        match (&mut self.foot, &mut self.main) {
            (Some(Foot::Adding(line)), _) => line.insert(text),
            (None, Some(main)) if !is_going_on => main.paste(text),
            _ => {}
        }
    }

    /// What a key means while there is a call.
    fn key_in_call(&mut self, key: KeyEvent) -> Option<Action> {
        if let Some(foot) = self.foot.take() {
            let (foot, action) = foot.key(key);
            self.foot = foot;
            return action;
        }
        let (takes_others, has_sound) = match &self.group {
            Some(group) => (group.takes_others(), group.is_going_on()),
            None => (self.call.takes_others(), self.call.has_sound()),
        };
        match (key.code, &mut self.group) {
            (KeyCode::Char('i'), _) if takes_others => {
                self.foot = Some(Foot::Adding(TypedLine::default()));
                None
            }
            (KeyCode::Char('d'), _) if has_sound => {
                self.foot = Some(Foot::Sound(SoundChoice::default()));
                Some(Action::LookForDevices)
            }
            (_, Some(group)) => group.key(key),
            (_, None) => self.call.key(key),
        }
    }

    fn is_going_on(&self) -> bool {
        let group = self.group.as_ref();
        self.call.is_going_on() || group.is_some_and(GroupScreen::is_going_on)
    }

    /// Draws what is shown now.
    pub(super) fn draw(&mut self, frame: &mut Frame<'_>, now: Instant, palette: Palette) {
        let is_going_on = self.is_going_on();
        match (&mut self.main, &self.group) {
            (Some(main), _) if !is_going_on => main.draw(frame, now, palette),
            (_, Some(group)) => group.draw(frame, now, palette, self.foot.as_ref()),
            _ => self.call.draw(frame, now, palette, self.foot.as_ref()),
        }
        cells::make_harmless(frame.buffer_mut());
    }
}

/// Whether a key of ours ended the call.
fn is_our_doing(reason: EndReason) -> bool {
    matches!(
        reason,
        EndReason::LocalHangup | EndReason::LocalReject | EndReason::Cancelled
    )
}

#[cfg(test)]
mod tests {
    use securecall_driver::Tier;

    use super::*;
    use crate::sample_calls::{call, peer};

    fn incoming() -> Event {
        Event::Call(CallEvent::Incoming {
            call: call(1),
            peer: peer(7, Some("Ada")),
            tier: Tier::SecureCall,
            accepted: false,
            conference: None,
        })
    }

    fn ended(reason: EndReason) -> Event {
        Event::Call(CallEvent::Ended {
            call: call(1),
            reason,
            connected_for: None,
        })
    }

    fn press(screen: &mut Screen, now: Instant, key: char) -> Option<Action> {
        screen.key(now, KeyCode::Char(key).into())
    }

    fn listener() -> Screen {
        Screen::of_listener("@me:example.org".parse().unwrap())
    }

    #[expect(clippy::disallowed_methods, reason = "any time will do")]
    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_text_that_nobody_made_harmless_is_drawn_harmlessly() {
        use ratatui::Terminal;
        use ratatui::backend::TestBackend;
        use securecall_contact::is_harmful;

        let mut screen = Screen::of_call();
        let fault = securecall_audio_device::DeviceFault::Lost {
            device: "default microphone".to_owned(),
            detail: format!(
                "e\u{e0041}\u{200d}\u{fe0f}x{}\u{202e}",
                "\u{301}".repeat(50)
            ),
        };
        let call = call(1).handle;
        screen.handle(now(), &Event::Device { call, fault });
        let mut terminal = Terminal::new(TestBackend::new(60, 12)).unwrap();
        let palette = Palette { colour: false };
        terminal
            .draw(|frame| screen.draw(frame, now(), palette))
            .unwrap();
        let cells = &terminal.backend().buffer().content;
        let shown: String = cells.iter().map(|cell| cell.symbol()).collect();
        assert!(shown.contains("lost: ex"), "{shown:?}");
        assert!(!shown.chars().any(is_harmful), "{shown:?}");
        assert!(shown.matches('\u{301}').count() <= 4, "{shown:?}");
    }

    #[test]
    fn what_is_being_typed_does_not_answer_a_call_and_is_there_after_it() {
        let now = now();
        let mut screen = listener();
        screen.paste("b");
        screen.handle(now, &incoming());
        assert_eq!(press(&mut screen, now, 'a'), None);
        screen.paste("a");
        let later = now + TIME_TO_NOTICE;
        assert_eq!(press(&mut screen, later, 'r'), Some(Action::Reject));
        screen.handle(later, &ended(EndReason::LocalReject));
        assert_eq!(press(&mut screen, later, 'c'), None);
        assert_eq!(
            screen.key(later, KeyCode::Enter.into()),
            Some(Action::Wish(Wish::FindContacts("bc".to_owned())))
        );
    }

    #[test]
    fn a_call_that_comes_in_on_the_list_is_answered_at_once() {
        let now = now();
        let mut screen = listener();
        screen.handle(now, &incoming());
        assert_eq!(press(&mut screen, now, 'a'), Some(Action::Answer));
    }

    #[test]
    fn who_hangs_up_just_when_the_other_side_does_goes_on_listening() {
        let now = now();
        let mut screen = listener();
        let quit = Some(Action::Wish(Wish::Quit));
        screen.handle(now, &incoming());
        screen.handle(now, &ended(EndReason::RemoteHangup));
        assert_eq!(press(&mut screen, now, 'q'), None);
        assert_eq!(press(&mut screen, now + TIME_TO_NOTICE, 'q'), quit);
        screen.handle(now, &incoming());
        screen.handle(now, &ended(EndReason::LocalReject));
        assert_eq!(press(&mut screen, now, 'q'), quit);
    }

    #[test]
    fn a_leg_that_goes_on_in_another_group_call_is_shown_as_it_was() {
        use ratatui::Terminal;
        use ratatui::backend::TestBackend;
        use securecall_driver::PathRoute;

        use crate::sample_calls::{conference, in_conference};

        let now = now();
        let mut screen = Screen::of_call();
        let ada = peer(7, Some("Ada"));
        let leg = ConferenceEvent::Leg {
            call: call(1),
            peer: ada.clone(),
        };
        let began = |call| ConferenceEvent::Began { call };
        let by = conference(2);
        for event in [
            in_conference(1, began(None)),
            in_conference(1, leg.clone()),
            CallEvent::Connected {
                call: call(1),
                peer: ada,
                tier: Tier::SecureCall,
                route: PathRoute::Direct,
                safety_words: None,
                setup: Duration::ZERO,
            },
            in_conference(1, ConferenceEvent::Replaced { by }),
            in_conference(2, began(Some(call(1)))),
            in_conference(2, leg),
        ] {
            screen.handle(now, &Event::Call(event));
        }
        screen.handle(now, &Event::Call(CallEvent::Reconnected { call: call(1) }));
        let mut terminal = Terminal::new(TestBackend::new(80, 20)).unwrap();
        let palette = Palette { colour: false };
        terminal
            .draw(|frame| screen.draw(frame, now, palette))
            .unwrap();
        let shown = terminal.backend().to_string();
        assert!(shown.contains("Ada") && shown.contains("direct"), "{shown}");
    }
}
