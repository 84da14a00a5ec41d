// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Programs whose clock is wrong (Debian: faketime).
public enum FakeTime {
    /// What to put before a command so that its clock begins at `time`, as in `1970-01-01 00:00:10` or `2 years ago`.
    ///
    /// A `faketime` that is killed leaves objects behind that are named by its process id, and the next one with that id
    /// refuses to begin: those whose process is gone are removed.
    public static func command(_ time: String) -> [String] {
        let folder = "/dev/shm/"
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
            guard name.hasPrefix("faketime_shm_") || name.hasPrefix("sem.faketime_sem_"),
                let process = name.split(separator: "_").last.flatMap({ pid_t($0) }), process > 0
            else { continue }
            if kill(process, 0) != 0 && errno == ESRCH { unlink(folder + name) }
        }
        return ["env", "FAKETIME_DONT_FAKE_MONOTONIC=1", "faketime", time]
    }
}
