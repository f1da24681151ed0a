"""What participants ask for in stateless messages."""

from server.errors import ProtocolError
from server.protocol import messages
from server.protocol.messages import Refused
from server.sessions.participant import Participant
from server.sessions.session import Session


class Commands:
    """Carries out the commands of participants, or says why not."""

    def received(self, session: Session, participant: Participant, payload: str) -> None:
        """Take in one stateless message."""
        try:
            messages.decode(payload)
        except ProtocolError as error:
            participant.notify(messages.encode(Refused("", "invalid", str(error))))
