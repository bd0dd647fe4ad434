; The Windows installer, made with Inno Setup 6 on Windows. Written, and not yet run.
;
;   make app        (or: python packaging\build_app.py, on Windows, with Python from python.org)
;   iscc /DVersion=0.1.0 packaging\windows\dermagui.iss
;
; For one user, without administrator rights, as hospitals have it. Projects, settings and models are the user's
; own and stay when the program is removed. Nothing is signed here: SmartScreen warns until the file is signed
; with SignTool and known.

#ifndef Version
  #error Name the version: iscc /DVersion=0.1.0 dermagui.iss
#endif

[Setup]
AppId={{6E0B2C1B-7B0F-4C43-9B0E-6F1B6C0C4D11}
AppName=dermagui
AppVersion={#Version}
AppPublisher=The authors of dermagui
LicenseFile=..\..\LICENSE
PrivilegesRequired=lowest
DefaultDirName={autopf}\dermagui
DisableProgramGroupPage=yes
ArchitecturesAllowed=x64compatible
ArchitecturesInstallIn64BitMode=x64compatible
Compression=lzma2
SolidCompression=yes
OutputDir=..\..\dist
OutputBaseFilename=dermagui-{#Version}-setup
UninstallDisplayIcon={app}\dermagui.exe
WizardStyle=modern

[Files]
Source: "..\..\dist\dermagui\*"; DestDir: "{app}"; Flags: recursesubdirs ignoreversion

[InstallDelete]
; What an older version brought and this one does not have would be loaded beside the new files.
Type: filesandordirs; Name: "{app}\_internal"

[Icons]
Name: "{autoprograms}\dermagui"; Filename: "{app}\dermagui.exe"; Parameters: "window"

[Run]
Filename: "{app}\dermagui.exe"; Parameters: "window"; Description: "{cm:LaunchProgram,dermagui}"; Flags: nowait postinstall skipifsilent
