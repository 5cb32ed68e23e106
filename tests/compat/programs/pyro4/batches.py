"""Several calls in one message, one of which may fail; and calls without an answer."""

# A program as its users write them, for Pyro4.
# ruff: noqa: ANN001, ANN201, ANN204
# ruff: noqa: I002
# mypy: ignore-errors

import threading

import Pyro4


@Pyro4.behavior(instance_mode="single")
@Pyro4.expose
class Account:
    def __init__(self):
        self.balance = 0
        self.noted = threading.Event()
        self.notes = []

    def pay(self, amount, times=1):
        self.balance += amount * times
        return self.balance

    def draw(self, amount):
        if amount > self.balance:
            raise ValueError("not enough", self.balance)
        self.balance -= amount
        return self.balance

    @Pyro4.oneway
    def note(self, text):
        self.notes.append(text)
        self.noted.set()

    def read(self):
        self.noted.wait(60)
        return self.notes

    def wait_for(self, balance):
        # A batch without an answer may still be running.
        for _ in range(60_000):
            if self.balance == balance:
                return True
            threading.Event().wait(0.001)
        return False


def main():
    daemon = Pyro4.Daemon()
    uri = daemon.register(Account, "account")
    threading.Thread(target=daemon.requestLoop, daemon=True).start()
    account = Pyro4.Proxy(uri)

    batch = Pyro4.batch(account)
    print(batch.pay(5), batch.pay(2, times=3), batch.draw(4))
    results = batch()
    print(list(results))
    print(list(batch()))

    batch = account._pyroBatch()
    batch.pay(1)
    batch.draw(1000)
    batch.pay(1)
    results = batch()
    print(next(results))
    try:
        next(results)
    except ValueError as error:
        print(error.args)
    print(account.pay(0))

    batch.pay(10)
    batch.pay(20)
    print(batch(oneway=True), account.wait_for(38))

    print(sorted(account._pyroOneway), account.note("hello"), account.read())
    account._pyroOneway.add("pay")
    print(account.pay(2), account.wait_for(40))
    account._pyroOneway.remove("pay")
    print(account.pay(0))
    account._pyroRelease()
    daemon.shutdown()


main()
