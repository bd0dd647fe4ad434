#!/bin/sh
# The macOS disk image, from dist/dermagui.app, which `make app` makes there. Written, and not yet run.
#
#   IDENTITY="Developer ID Application: …" PROFILE=name-of-notarytool-credentials packaging/macos/build_dmg.sh
#
# Without IDENTITY it is signed for this computer alone, and Gatekeeper stops it on every other one.
set -eu
cd "$(dirname "$0")/../.."
app=dist/dermagui.app
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' dermagui/__init__.py)
image=dist/dermagui-$version.dmg
identity=${IDENTITY:--}

# What lies inside is signed before what holds it.
find "$app/Contents" -type f \( -name '*.so' -o -name '*.dylib' \) -print0 |
    xargs -0 codesign --force --timestamp --options runtime --sign "$identity"
codesign --force --timestamp --options runtime --sign "$identity" \
    --entitlements packaging/macos/entitlements.plist "$app"
codesign --verify --deep --strict "$app"
"$app/Contents/MacOS/dermagui" --version  # the signed program must still start

rm -f "$image"
hdiutil create -volname dermagui -srcfolder "$app" -format UDZO "$image"
if [ -n "${PROFILE:-}" ]; then
    xcrun notarytool submit "$image" --keychain-profile "$PROFILE" --wait
    xcrun stapler staple "$image"
fi
echo "$image"
