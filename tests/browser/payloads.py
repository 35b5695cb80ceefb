"""Five hundred hostile texts: every way into markup, by every kind of code, in several disguises."""

from __future__ import annotations

from itertools import product

_CODE = (
    "window.pwned=1", "alert(1)", "fetch('http://127.0.0.1:9/x')", "document.title='owned'",
    "location='http://127.0.0.1:9/y'",
)  # fmt: skip
_WAYS = (
    "<script>{c}</script>",
    "</script><script>{c}</script>",
    "</style><script>{c}</script>",
    "</title><script>{c}</script>",
    "--><script>{c}</script>",
    "]]><script>{c}</script>",
    '"><script>{c}</script>',
    "'><script>{c}</script>",
    "<img src=x onerror={c}>",
    '" onmouseover="{c}" autofocus onfocus="{c}',
    "' onmouseover='{c}' autofocus onfocus='{c}",
    "<svg onload={c}>",
    "<svg><script>{c}</script></svg>",
    "</text></svg><script>{c}</script>",
    "<math><mtext></mtext><script>{c}</script></math>",
    "<iframe srcdoc='<script>{c}</script>'></iframe>",
    '<a href="javascript:{c}">x</a>',
    "<body onload={c}>",
    "<details open ontoggle={c}>",
    "<video><source onerror={c}></video>",
    "<link rel=stylesheet href=http://127.0.0.1:9/s.css>{c}",
    "<base href=http://127.0.0.1:9/>{c}",
    "<meta http-equiv=refresh content=0;url=http://127.0.0.1:9/>{c}",
    "<form action=http://127.0.0.1:9/><input autofocus onfocus={c}></form>",
    "{{{{ {c} }}}}{{% raw %}}<script>{c}</script>",
)
_GUISES = ("{}", "{}\n", "\u202e{}", "&lt;{}")
PAYLOADS: tuple[str, ...] = tuple(
    guise.format(way.format(c=code)) for guise, way, code in product(_GUISES, _WAYS, _CODE)
)
