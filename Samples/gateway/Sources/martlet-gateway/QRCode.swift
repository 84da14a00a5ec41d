// SPDX-License-Identifier: Apache-2.0

import Glibc

/// QR codes, by the program qrencode.
enum QRCode {
    /// Prints one. A text that everybody may not see is no argument: those of a program can be seen.
    static func show(_ text: String) throws(Failure) {
        fflush(nil)
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw Failure("pipe: \(String(cString: strerror(errno)))") }
        // Shorter than the pipe's buffer, so nobody needs to read yet.
        Output.write(text, to: ends[1])
        close(ends[1])
        let (child, code) = ServerProcess.spawn(["qrencode", "-t", "UTF8"], input: ends[0], output: 1)
        close(ends[0])
        guard let child else {
            return print("No QR code: qrencode: \(String(cString: strerror(code))) (Debian: apt install qrencode)")
        }
        while waitpid(child, nil, 0) < 0 && errno == EINTR {}
    }
}
