//! Looks at what the server writes of its streams.

use lovejoy::connection::Then;

use super::World;
use crate::network::LinkId;
use crate::wire::{Manner, Piece, Response};

impl World {
    /// One piece of a stream; how long it is.
    pub(super) fn piece(
        &mut self,
        id: LinkId,
        manner: Manner,
        bytes: &[u8],
        then: Then,
    ) -> Result<usize, String> {
        let first = self.network.peek(id).unanswered.front().expect("a stream has a request");
        let is_old = first.request.poll().is_some_and(|poll| poll.is_old);
        let piece = if is_old {
            Piece::read_whole(manner, bytes, then != Then::Keep)?
        } else {
            Piece::read(manner, bytes)?
        };
        let then = if piece.len == bytes.len() { then } else { Then::Keep };
        self.written += 1;
        let circumstances = self.circumstances();
        let link = self.network.link(id);
        let request = link.unanswered.front().expect("a stream has a request").request.clone();
        let stream = link.stream.as_mut().expect("it was begun");
        let is_end = piece.is_last || piece.frames.iter().any(|(_, frame)| frame.end().is_some());
        let was_full = link.full_since.is_some_and(|(turn, _)| turn < circumstances.turn);
        assert!(is_end || !was_full, "#{id}: a slow reader is not written to");
        for (_, frame) in &piece.frames {
            self.trace.line(|| format!("<-   #{id} {frame}"));
            self.checks.streamed(&request, stream, frame, circumstances);
        }
        link.write_frames(piece.frames, piece.len);
        if piece.is_last {
            self.trace.line(|| format!("<-   #{id} the stream is over"));
            let link = self.network.link(id);
            let stream = link.stream.take().expect("it was begun");
            let code = stream.end.unwrap_or_else(|| panic!("#{id}: a stream ends without a word"));
            link.then = then;
            link.write(Response::stream_end(&code), 0);
            let asked = link.unanswered.pop_front().expect("a stream has a request");
            if then != Then::Keep {
                link.unanswered.clear();
            }
            self.has_polled(request.person);
            if code == "released" {
                let given = asked.given.expect("a stream that was begun");
                self.released.push((request.person, given.turn));
            }
        }
        Ok(piece.len)
    }
}
