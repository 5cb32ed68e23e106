"""A window with the curve of a furnace; the README shows how it is called."""

from __future__ import annotations

import argparse
import threading
import tkinter as tk

from gui_callbacks.inbox import Inbox
from pyro_client import Proxy, asyncproxy, expose, oneway

WORK_MILLISECONDS = 50
WIDTH, HEIGHT = 400, 200
HOTTEST = 1000.0


class Listener:
    """What the server calls; it hands all of it over."""

    def __init__(self, inbox: Inbox, window: Window) -> None:
        self._inbox = inbox
        self._window = window

    @expose
    @oneway
    def reading(self, degrees: float) -> None:
        """Take a temperature; this runs in a thread of Pyro's."""
        self._inbox.hand_over(lambda: self._window.draw(degrees))


class Window:
    """The window. All of its methods belong to the thread that has made it."""

    def __init__(self, uri: str, most_readings: int) -> None:
        self._furnace = asyncproxy(Proxy(uri))
        self._inbox = Inbox()
        self._most_readings = most_readings
        self._points: list[float] = []
        self.readings = 0
        self.drawn_by: set[str] = set()
        self.answer = ""

        self._root = tk.Tk()
        self._root.title("Furnace")
        self._text = tk.Label(self._root, font=("sans-serif", 24))
        self._text.pack()
        self._canvas = tk.Canvas(self._root, width=WIDTH, height=HEIGHT, bg="white")
        self._canvas.pack()
        self._button = tk.Button(self._root, text="To 900 °C", command=self._press)
        self._button.pack()

    def run(self) -> None:
        """Show the window until it is closed."""
        self._furnace.watch(Listener(self._inbox, self).reading)
        if self._most_readings:
            self._button.invoke()
        self._work()
        self._root.mainloop()
        self._furnace._pyroRelease()

    def draw(self, degrees: float) -> None:
        """Draw one more point of the curve."""
        if 0 < self._most_readings <= self.readings:
            return
        self.readings += 1
        self.drawn_by.add(threading.current_thread().name)
        self._points = [*self._points, degrees][-WIDTH:]
        self._text["text"] = f"{degrees:.1f} °C"
        line = [
            value
            for x, point in enumerate(self._points)
            for value in (x, HEIGHT * (1 - point / HOTTEST))
        ]
        self._canvas.delete("all")
        if len(self._points) > 1:
            self._canvas.create_line(line, fill="red")
        self._close_if_done()

    def show_answer(self, answer: str) -> None:
        """Show what the call of the button has returned."""
        self.answer = answer
        self._root.title(answer)
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self.answer and self.readings == self._most_readings:
            self._root.quit()

    def _press(self) -> None:
        self._furnace.heat_to(900.0).then(
            lambda answer: self._inbox.hand_over(lambda: self.show_answer(answer))
        )

    def _work(self) -> None:
        self._root.after(WORK_MILLISECONDS, self._work)
        self._inbox.work()


def main() -> None:
    """Show the window, and say in the end what it has shown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("uri")
    parser.add_argument("--readings", type=int, default=0, help="close after so many")
    options = parser.parse_args()
    window = Window(options.uri, options.readings)
    window.run()
    print(window.readings, "readings drawn, all of them by", *window.drawn_by)
    if window.answer:
        print("The button's call was answered:", window.answer)


if __name__ == "__main__":
    main()
