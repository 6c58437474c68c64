"""Text that a model might write to do harm in a page or a terminal."""

HOSTILE = (
    "</script><script>document.title='HACKED'</script><img src=x onerror=\"document.title='HACKED'\">"
    "\x1b[31m\x00\u202eevil"
)
