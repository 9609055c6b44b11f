#!/bin/sh
# Find Chromium for the browser tests, or install Debian's; say plainly how to where that is not possible.
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null 2>&1 && exit 0
done
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    echo "Installing Chromium for the browser tests."
    if apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; then
        exit 0
    fi
fi
echo "The browser tests need Chromium and none was found. Install it, for example:" >&2
echo "  Debian: sudo apt-get install chromium    macOS: brew install --cask chromium" >&2
exit 1
