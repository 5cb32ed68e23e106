"""Objects of the client that the server calls, and objects that travel as proxies."""

# A program as its users write them, for Pyro4.
# ruff: noqa: ANN001, ANN201, ANN204
# ruff: noqa: I002
# mypy: ignore-errors

import threading

import Pyro4


@Pyro4.behavior(instance_mode="single")
@Pyro4.expose
class Auction:
    def __init__(self):
        self._bidders = []
        self._lots = {}

    def join(self, bidder):
        self._bidders.append(bidder)
        return type(bidder).__name__

    def offer(self, name):
        bids = {}
        for bidder in self._bidders:
            bidder._pyroClaimOwnership() if hasattr(
                bidder, "_pyroClaimOwnership"
            ) else None
            bids[bidder.name()] = bidder.bid(name)
        return bids

    def trouble(self):
        try:
            self._bidders[0].fail()
        except ZeroDivisionError as error:
            return "the bidder raised", type(error).__name__

    def lot(self, name):
        if name not in self._lots:
            self._lots[name] = Lot(name)
            self._pyroDaemon.register(self._lots[name])
        return self._lots[name]

    def is_mine(self, lot):
        return lot.title()


@Pyro4.expose
class Lot:
    def __init__(self, name):
        self._name = name

    def title(self):
        return self._name.upper()

    def self(self):
        return self


class Bidder:
    def __init__(self, name, most):
        self._name = name
        self._most = most
        self.told = threading.Event()

    @Pyro4.expose
    def name(self):
        return self._name

    @Pyro4.expose
    @Pyro4.callback
    def bid(self, name):
        return self._most - len(name)

    @Pyro4.expose
    @Pyro4.callback
    def fail(self):
        return 1 // 0

    @Pyro4.expose
    @Pyro4.oneway
    def tell(self, text):
        self.text = text
        self.told.set()


def main():
    server = Pyro4.Daemon()
    uri = server.register(Auction, "auction")
    threading.Thread(target=server.requestLoop, daemon=True).start()

    client = Pyro4.Daemon()
    bidders = [Bidder("ann", 70), Bidder("bob", 50)]
    for bidder in bidders:
        client.register(bidder)
    threading.Thread(target=client.requestLoop, daemon=True).start()

    with Pyro4.Proxy(uri) as auction:
        for bidder in bidders:
            print(auction.join(bidder))
        print(sorted(auction.offer("clock").items()))
        print(auction.trouble())
        lot = auction.lot("vase")
        print(isinstance(lot, Pyro4.Proxy), type(lot) is Pyro4.Proxy, lot.title())
        again = lot.self()
        print(again == lot, again.title(), auction.is_mine(lot))
        print(auction.lot("vase") == lot, auction.lot("bowl") == lot)
        print(sorted(lot._pyroMethods))
        for proxy in (lot, again):
            proxy._pyroRelease()
    with client.proxyFor(bidders[0]) as ann:
        print(ann.tell("sold"), bidders[0].told.wait(60), bidders[0].text)
    client.shutdown()
    server.shutdown()


main()
