"""The server of the tests' app: sends each node what it is told, until each has answered all of it."""

import json
import time

from scarlet_pl.flower.server import server_app


def main(mail, settings):
    order = json.loads(settings["arguments"])
    began = time.monotonic()

    def say(**fact):
        with open(order["out"], "a") as out:
            print(json.dumps({"t": round(time.monotonic() - began, 2), **fact}), file=out)

    print("the server began")
    say(gone=mail.send(12345, b"hello"))
    while len(nodes := mail.nodes()) < order["nodes"]:
        time.sleep(0.1)
    say(nodes=[[node.id, node.name, node.since] for node in nodes])
    for text in order["requests"]:
        request = bytes(int(text[1:])) if text[0] == "#" else text.encode()
        waiting = set(range(order["nodes"]))
        asked, last = {}, None
        while waiting:
            here = sorted(mail.nodes(), key=lambda node: node.name)
            came = [(node.id, node.since) for node in here]
            if len(here) == order["nodes"] and came != last:  # who came anew is asked anew
                last = came
                asked = {mail.send(node.id, request): place for place, node in enumerate(here) if place in waiting}
                say(sent=[node.id for node in here])
            for number, answer in mail.receive([number for number in asked if number is not None]).items():
                place = asked.pop(number)
                if isinstance(answer, bytes):
                    pid, echo = answer.split(b" ", 1)
                    assert echo == request[::-1]
                    waiting.discard(place)
                    say(answer=int(pid), size=len(echo), node=place)
                else:
                    say(undelivered=answer.why)
                    if not order.get("again", True):
                        return 3
            time.sleep(0.1)
    say(done=True)
    if order.get("code"):
        raise SystemExit(order["code"])
    return 0


app = server_app(main)
