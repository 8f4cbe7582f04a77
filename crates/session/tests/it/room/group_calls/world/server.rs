//! The homeserver: what is asked of it, and what it holds back.

use super::*;

impl World {
    pub(super) fn delayed_is_due(&mut self, id: &str) {
        match self.delayed.get(id) {
            Some((_, _, at)) if *at > self.now => {
                let at = *at;
                self.later(at, Happening::Delayed(id.to_owned()));
            }
            Some(_) => {
                let (who, content, _) = self.delayed.remove(id).unwrap();
                let user = self.ours[&who].user.clone();
                self.write(user.clone(), false, user.as_str(), &content);
            }
            None => {}
        }
    }

    pub(super) fn asked(&mut self, who: usize, id: RequestId, request: Request) {
        let (user, device_id) = (
            self.ours[&who].user.clone(),
            self.ours[&who].device_id.clone(),
        );
        let at = self.soon();
        let down = self.is_down;
        match request {
            Request::SendToDevice {
                user: to,
                device_id: to_device,
                event_type,
                content,
                in_clear,
                ..
            } => {
                let result = if down {
                    Err(RequestError::Unreachable)
                } else {
                    Ok(())
                };
                if !down {
                    self.post(&Sent {
                        from: user,
                        from_device: device_id,
                        to,
                        to_device,
                        event_type: event_type.to_owned(),
                        content: serde_json::from_str(&content).unwrap(),
                        in_clear,
                    });
                }
                self.later(at, Happening::Taken(who, id, result));
            }
            Request::QueryDevices { user, .. } if down => {
                let _ = user;
                let unreachable = Err(RequestError::Unreachable);
                self.with(who, |endpoint, now, rng| {
                    endpoint.handle_devices(now, rng, id, unreachable);
                });
            }
            Request::QueryDevices { user, .. } => {
                self.later(at, Happening::Devices(who, id, user));
            }
            Request::Send {
                user: to,
                device_id: to_device,
                content,
                ..
            } => {
                let result = if down {
                    Err(RequestError::Unreachable)
                } else {
                    self.post_sealed(&SealedSent {
                        from: who,
                        to,
                        to_device,
                        content,
                    });
                    Ok(())
                };
                self.later(at, Happening::Taken(who, id, result));
            }
            Request::OwnMembership { request, .. } => {
                let answer = match down {
                    true => Err(MembershipFailure::Later(Duration::ZERO)),
                    false => self.membership(who, &user, request),
                };
                self.later(at, Happening::Answer(who, id, answer));
            }
            Request::WriteGroupCall {
                call_id, content, ..
            } => {
                let answer = match (down, self.may_write) {
                    (true, _) => Err(MembershipFailure::Later(Duration::ZERO)),
                    (_, false) => Err(MembershipFailure::Forbidden),
                    (_, true) => {
                        let content = serde_json::from_str(&content).unwrap();
                        self.write(user, true, &call_id, &content);
                        Ok(MembershipResponse::Done)
                    }
                };
                self.later(at, Happening::Answer(who, id, answer));
            }
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn membership(
        &mut self,
        who: usize,
        user: &MatrixId,
        request: MembershipRequest,
    ) -> Result<MembershipResponse, MembershipFailure> {
        match request {
            MembershipRequest::ReadMember => {
                let content = self.member(user).ok_or(MembershipFailure::NotFound)?;
                Ok(MembershipResponse::Content(
                    content.to_string().into_bytes(),
                ))
            }
            MembershipRequest::WriteMember { .. } if !self.may_write => {
                Err(MembershipFailure::Forbidden)
            }
            MembershipRequest::WriteMember { content } => {
                self.write(user.clone(), false, user.as_str(), &content);
                Ok(MembershipResponse::Done)
            }
            _ if !self.has_delayed_events => Err(MembershipFailure::Unsupported),
            MembershipRequest::ScheduleMember { content, delay } => {
                let id = format!("delay{}", self.count);
                let at = self.now + delay;
                self.delayed.insert(id.clone(), (who, content, at));
                self.later(at, Happening::Delayed(id.clone()));
                Ok(MembershipResponse::Delayed(DelayId::parse(&id).unwrap()))
            }
            MembershipRequest::RestartDelayed { delay_id } => {
                let now = self.now;
                let held = self.delayed.get_mut(delay_id.as_str());
                let (_, _, at) = held.ok_or(MembershipFailure::NotFound)?;
                *at = now + SECOND * 30;
                Ok(MembershipResponse::Done)
            }
            MembershipRequest::CancelDelayed { delay_id } => {
                self.delayed.remove(delay_id.as_str());
                Ok(MembershipResponse::Done)
            }
        }
    }
}
