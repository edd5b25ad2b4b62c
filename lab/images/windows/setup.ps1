# Makes an image of the Windows it runs on: once, after setup, from the medium with the answer file. Stops at the first failure, and says it
# on the serial line, so that a build that hangs can be told from one that failed.
$ErrorActionPreference = "Stop"
$here = Split-Path -Parent $MyInvocation.MyCommand.Path
$folder = "@folder@"
function Say($text) { $port = New-Object System.IO.Ports.SerialPort COM1, 115200; $port.Open(); $port.WriteLine("windows: " + $text); $port.Close() }
function Install($file, $arguments) {
  Say "installs $file"
  $done = Start-Process -FilePath msiexec.exe -ArgumentList (@("/i", "`"$file`"", "/qn", "/norestart") + $arguments) -Wait -PassThru
  if ($done.ExitCode -notin 0, 3010) { throw "$file: msiexec ended with $($done.ExitCode)" }
}
try {
  $media = Get-Volume | Where-Object { $_.DriveLetter -and (Test-Path "$($_.DriveLetter):\virtio-win-gt-x64.msi") } | Select-Object -First 1
  if (-not $media) { throw "the medium with virtio-win-gt-x64.msi is not there" }
  $virtio = "$($media.DriveLetter):"
  Install "$virtio\virtio-win-gt-x64.msi" @()
  Install "$virtio\guest-agent\qemu-ga-x86_64.msi" @()
  Install "$here\CloudbaseInitSetup_x64.msi" @("LOGGINGSERIALPORTNAME=COM1", "RUN_SERVICE_AS_LOCAL_SYSTEM=1")
  Copy-Item "$here\cloudbase-init.conf" "$folder\conf\cloudbase-init.conf" -Force
  Copy-Item "$here\cloudbase-init-unattend.conf" "$folder\conf\cloudbase-init-unattend.conf" -Force
  Say "generalizes and shuts down"
  & "$env:SystemRoot\System32\Sysprep\sysprep.exe" /generalize /oobe /shutdown /quiet "/unattend:$folder\conf\Unattend.xml"
} catch {
  Say "failed: $_"
  throw
}
