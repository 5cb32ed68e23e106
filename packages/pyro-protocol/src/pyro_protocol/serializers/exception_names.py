"""Which exception classes can be received, and the names under which they travel.

A class is found by its name in three places, and nowhere else: among the classes
that the program has allowed, in Python's builtins and our own errors, and in the
fixed table of the standard library below. A module of that table is imported when
one of its exceptions arrives; importing those does nothing but define things. No
other name from a message is ever imported or looked up.
"""

from __future__ import annotations

import builtins
import importlib
from typing import Final

from .. import errors
from ..errors import PyroError, RemoteError
from .allowed import allowed_class, class_name, class_text

__all__ = [
    "BASES_LIMIT",
    "PYRO_PREFIX",
    "base_names",
    "find_exception",
    "native_name",
    "wire_name",
]

BASES_LIMIT: Final = 16
"""How many base classes of an exception are named. Only the nearest one that the
receiver knows counts; whoever has more levels than this has a known one among them."""

PYRO_PREFIX: Final = "Pyro5.errors."
_PYRO_NAMES: Final = (
    "PyroError",
    "CommunicationError",
    "ConnectionClosedError",
    "TimeoutError",
    "ProtocolError",
    "MessageTooLargeError",
    "NamingError",
    "DaemonError",
    "SecurityError",
    "SerializeError",
)

# Not in the table: HTTPError of urllib, which is an open file as well, and classes
# whose instances mean something only within their own process.
_STANDARD: Final[dict[str, frozenset[str]]] = {
    module: frozenset(names.split())
    for module, names in {
        "argparse": "ArgumentError ArgumentTypeError",
        "asyncio": "BrokenBarrierError IncompleteReadError InvalidStateError"
        " LimitOverrunError QueueEmpty QueueFull QueueShutDown"
        " SendfileNotAvailableError",
        "binascii": "Error Incomplete",
        "calendar": "IllegalMonthError IllegalWeekdayError",
        "concurrent.futures": "BrokenExecutor CancelledError InvalidStateError",
        "concurrent.futures._base": "Error",
        "concurrent.futures.process": "BrokenProcessPool",
        "concurrent.futures.thread": "BrokenThreadPool",
        "configparser": "DuplicateOptionError DuplicateSectionError Error"
        " InterpolationDepthError InterpolationError InterpolationMissingOptionError"
        " InterpolationSyntaxError MissingSectionHeaderError"
        " MultilineContinuationError NoOptionError NoSectionError ParsingError",
        "copy": "Error",
        "csv": "Error",
        "ctypes": "ArgumentError",
        "dataclasses": "FrozenInstanceError",
        "decimal": "Clamped ConversionSyntax DecimalException DivisionByZero"
        " DivisionImpossible DivisionUndefined FloatOperation Inexact InvalidContext"
        " InvalidOperation Overflow Rounded Subnormal Underflow",
        "email.errors": "BoundaryError CharsetError CloseBoundaryNotFoundDefect"
        " FirstHeaderLineIsContinuationDefect HeaderDefect HeaderMissingRequiredValue"
        " HeaderParseError HeaderWriteError InvalidBase64CharactersDefect"
        " InvalidBase64LengthDefect InvalidBase64PaddingDefect InvalidDateDefect"
        " InvalidHeaderDefect InvalidMultipartContentTransferEncodingDefect"
        " MessageDefect MessageError MessageParseError MisplacedEnvelopeHeaderDefect"
        " MissingHeaderBodySeparatorDefect MultipartConversionError"
        " MultipartInvariantViolationDefect NoBoundaryInMultipartDefect"
        " NonASCIILocalPartDefect NonPrintableDefect ObsoleteHeaderDefect"
        " StartBoundaryNotFoundDefect UndecodableBytesDefect",
        "ftplib": "Error error_perm error_proto error_reply error_temp",
        "getopt": "GetoptError",
        "graphlib": "CycleError",
        "gzip": "BadGzipFile",
        "http.client": "BadStatusLine CannotSendHeader CannotSendRequest"
        " HTTPException ImproperConnectionState IncompleteRead InvalidURL LineTooLong"
        " NotConnected RemoteDisconnected ResponseNotReady UnimplementedFileMode"
        " UnknownProtocol UnknownTransferEncoding",
        "http.cookies": "CookieError",
        "importlib.metadata": "PackageNotFoundError",
        "io": "UnsupportedOperation",
        "ipaddress": "AddressValueError NetmaskValueError",
        "json": "JSONDecodeError",
        "locale": "Error",
        "lzma": "LZMAError",
        "mailbox": "Error ExternalClashError FormatError NoSuchMailboxError"
        " NotEmptyError",
        "multiprocessing": "AuthenticationError BufferTooShort ProcessError"
        " TimeoutError",
        "netrc": "NetrcParseError",
        "optparse": "AmbiguousOptionError BadOptionError OptParseError"
        " OptionConflictError OptionError OptionValueError",
        "pathlib": "UnsupportedOperation",
        "pickle": "PickleError PicklingError UnpicklingError",
        "plistlib": "InvalidFileException",
        "poplib": "error_proto",
        "py_compile": "PyCompileError",
        "queue": "Empty Full ShutDown",
        "re": "PatternError error",
        "shutil": "Error ExecError ReadError RegistryError SameFileError"
        " SpecialFileError",
        "smtplib": "SMTPAuthenticationError SMTPConnectError SMTPDataError"
        " SMTPException SMTPHeloError SMTPNotSupportedError SMTPRecipientsRefused"
        " SMTPResponseException SMTPSenderRefused SMTPServerDisconnected",
        "socket": "gaierror herror",
        "sqlite3": "DataError DatabaseError Error IntegrityError InterfaceError"
        " InternalError NotSupportedError OperationalError ProgrammingError Warning",
        "ssl": "SSLCertVerificationError SSLEOFError SSLError SSLSyscallError"
        " SSLWantReadError SSLWantWriteError SSLZeroReturnError",
        "statistics": "StatisticsError",
        "struct": "error",
        "subprocess": "CalledProcessError SubprocessError TimeoutExpired",
        "tarfile": "AbsoluteLinkError AbsolutePathError CompressionError"
        " EOFHeaderError EmptyHeaderError ExtractError FilterError HeaderError"
        " InvalidHeaderError LinkFallbackError LinkOutsideDestinationError"
        " OutsideDestinationError ReadError SpecialFileError StreamError"
        " SubsequentHeaderError TarError TruncatedHeaderError",
        "threading": "BrokenBarrierError",
        "tokenize": "TokenError",
        "tomllib": "TOMLDecodeError",
        "urllib.error": "ContentTooShortError URLError",
        "wave": "Error",
        "xml.dom": "DOMException DomstringSizeErr HierarchyRequestErr IndexSizeErr"
        " InuseAttributeErr InvalidAccessErr InvalidCharacterErr"
        " InvalidModificationErr InvalidStateErr NamespaceErr NoDataAllowedErr"
        " NoModificationAllowedErr NotFoundErr NotSupportedErr SyntaxErr"
        " ValidationErr WrongDocumentErr",
        "xml.etree.ElementTree": "ParseError",
        "xml.parsers.expat": "ExpatError",
        "xml.sax": "SAXException SAXNotRecognizedException SAXNotSupportedException"
        " SAXParseException SAXReaderNotAvailable",
        "xmlrpc.client": "Error Fault ProtocolError ResponseError",
        "zipfile": "BadZipFile LargeZipFile",
        "zipimport": "ZipImportError",
        "zlib": "error",
        "zoneinfo": "ZoneInfoNotFoundError",
    }.items()
}

# Classes travel under the module they say they are of, which is not always the one
# that programs import them from, nor the same in every version of Python.
_HOMES: Final = {
    "_csv": "csv",
    "_lzma": "lzma",
    "_pickle": "pickle",
    "_queue": "queue",
    "asyncio.exceptions": "asyncio",
    "asyncio.queues": "asyncio",
    "concurrent.futures._base": "concurrent.futures",
    "json.decoder": "json",
    "multiprocessing.context": "multiprocessing",
    "pathlib._abc": "pathlib",
    "pathlib._local": "pathlib",
    "pyexpat": "xml.parsers.expat",
    "sre_constants": "re",
    "xml.sax._exceptions": "xml.sax",
    "zoneinfo._common": "zoneinfo",
}


def _known_exceptions() -> dict[str, type[Exception]]:
    known: dict[str, type[Exception]] = {}
    for name, value in vars(builtins).items():
        if isinstance(value, type) and issubclass(value, Exception):
            for prefix in ("", "builtins.", "exceptions."):
                known[prefix + name] = value
    # After the builtin ones: without a module TimeoutError is Pyro's.
    for name in _PYRO_NAMES:
        known[name] = known[PYRO_PREFIX + name] = getattr(errors, name)
    for name in errors.__all__:
        value = getattr(errors, name)
        if (
            isinstance(value, type)
            and issubclass(value, PyroError)
            and value is not RemoteError
        ):
            known[f"{errors.__name__}.{name}"] = value
    return known


_KNOWN: Final = _known_exceptions()
_WIRE_NAMES: Final[dict[type[BaseException], str]] = {
    _KNOWN[PYRO_PREFIX + name]: PYRO_PREFIX + name for name in _PYRO_NAMES
}


def find_exception(name: str) -> type[Exception] | None:
    """Return the exception class of a name on the wire, if it may be built.

    A class that is no ``Exception``, such as SystemExit, is never among them.
    """
    clazz = allowed_class(name)
    if clazz is not None:
        return clazz if issubclass(clazz, Exception) else None
    return _KNOWN.get(name) or _find_standard(name)


def _find_standard(name: str) -> type[Exception] | None:
    module, _, last = name.rpartition(".")
    if last not in _STANDARD.get(module, ()):
        module = _HOMES.get(module, module)
        if last not in _STANDARD.get(module, ()):
            return None
    try:
        clazz = getattr(importlib.import_module(module), last, None)
    except ImportError:
        # Python can be built without some of them.
        return None
    if isinstance(clazz, type) and issubclass(clazz, Exception):
        _KNOWN[name] = clazz
        return clazz
    return None


def wire_name(clazz: type[BaseException]) -> str:
    """Return the name under which an exception class travels to any peer.

    Our own errors travel as the nearest class that Pyro5 has.
    """
    if clazz.__module__ == errors.__name__:
        for base in clazz.__mro__:
            if base in _WIRE_NAMES:
                return _WIRE_NAMES[base]
    return class_text(clazz)


def native_name(clazz: type[BaseException]) -> str:
    """Return the name under which an exception class travels to our own family."""
    return class_name(clazz)


def base_names(clazz: type[BaseException]) -> tuple[str, ...]:
    """Return the names of the exception classes below ``Exception`` in the bases.

    The nearest comes first. There are at most `BASES_LIMIT`.
    """
    bases = [
        native_name(base)
        for base in clazz.__mro__[1:]
        if issubclass(base, Exception) and base is not Exception
    ]
    return tuple(bases[:BASES_LIMIT])
