// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletPosix
import TestSupport
import Testing

/// A folder that goes away with this object.
final class Folder {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "martlet-posix-\(UUID().uuidString)").path
        try make(0o700, at: path)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// A directory of `mode`, whatever the umask.
    func make(_ mode: mode_t, at path: String) throws {
        try #require(mkdir(path, mode) == 0 && chmod(path, mode) == 0)
    }

    /// A file of `mode`; gives its path.
    @discardableResult
    func write(_ name: String, _ content: String, _ mode: mode_t = 0o600) throws -> String {
        let file = path + "/" + name
        try Data(content.utf8).write(to: URL(filePath: file))
        try #require(chmod(file, mode) == 0)
        return file
    }

    func content(_ name: String) -> String? {
        FileManager.default.contents(atPath: path + "/" + name).map { String(decoding: $0, as: UTF8.self) }
    }

    var files: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path).sorted()) ?? [] }

    func directory() throws -> PrivateDirectory { try PrivateDirectory(path: path) }
}

/// Type and permissions of a file, without following a link.
func mode(_ path: String) -> mode_t? {
    var info = stat()
    return lstat(path, &info) == 0 ? info.st_mode : nil
}

/// `body`'s error as text: the case, the call and the code.
func refusal<T>(_ body: () throws(PosixError) -> T) -> String? {
    do throws(PosixError) {
        _ = try body()
        return nil
    } catch {
        return "\(error)"
    }
}

func failure(_ call: String, _ code: Int32) -> String { "system(\"\(call)\", code: \(code))" }

/// One of the jobs below, run by this test program in a process of its own.
final class Job {
    let process: ChildProcess
    private let trace: String
    private let folder: Folder

    /// - Parameters:
    ///   - options: of strace; none runs the job without it.
    ///   - isOrdinary: without the rights that root has over files.
    init(_ name: String, in folder: Folder, strace options: [String] = [], isOrdinary: Bool = false) throws {
        self.folder = folder
        trace = folder.path + ".trace"
        var command = ["MARTLET_POSIX_JOB=\(name)", "MARTLET_POSIX_FOLDER=\(folder.path)"]
        if !options.isEmpty {
            try #require(FileManager.default.isExecutableFile(atPath: "/usr/bin/strace"), "needs the package strace")
            command += ["/usr/bin/strace", "-f", "-y", "-qq", "-s", "4", "-o", trace] + options
        }
        if isOrdinary, geteuid() == 0 { command += ["/usr/bin/setpriv", "--bounding-set=-all", "--inh-caps=-all"] }
        command += [try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")]
        command += ["--testing-library", "swift-testing", "--filter", "JobInAnotherProcess"]
        process = try ChildProcess("/usr/bin/env", command)
    }

    deinit { unlink(trace) }

    func wait() throws { try process.waitForOutput("job: end", seconds: 60) }

    /// System calls that name the folder, in order, without process ids and without the path of the folder.
    func calls() throws -> [String] {
        try String(contentsOfFile: trace, encoding: .utf8).split(separator: "\n").compactMap { line in
            guard line.contains(folder.path), let space = line.firstIndex(of: " ") else { return nil }
            return line[space...].replacingOccurrences(of: folder.path, with: "~")
                .trimmingCharacters(in: .whitespaces)
        }
    }
}

private let environment = ProcessInfo.processInfo.environment

@Suite(.enabled(if: environment["MARTLET_POSIX_JOB"] != nil, "only runs inside Job"))
struct JobInAnotherProcess {
    @Test func run() throws {
        let path = try #require(environment["MARTLET_POSIX_FOLDER"])
        print("job: begin")
        fflush(nil)
        let outcome: String?
        switch environment["MARTLET_POSIX_JOB"] {
        case "create":
            umask(0)
            outcome = refusal { () throws(PosixError) in
                let directory = try PrivateDirectory(creating: path + "/state")
                try directory.create("key", [1, 2, 3].span)
                try directory.replace("data", [4, 5, 6].span)
                _ = try directory.lock("lock")
            }
        case "segment":
            umask(0)
            outcome = refusal { () throws(PosixError) in
                let segments = SegmentDirectory(try PrivateDirectory(path: path))
                let segment = try segments.create(stream: 1, number: 0x1f, size: 8192)
                try segment.write([1, 2, 3].span, at: 64)
                try segment.sync()
                try segments.create(stream: 1, number: 0x20, size: 4096).sync()
                try segments.trim(stream: 1, number: 0x1f, size: 4096)
                try segments.sync(stream: 1, number: 0x1f)
                try segments.remove(stream: 1, number: 0x20)
            }
        case "replace":
            outcome = refusal { () throws(PosixError) in
                try PrivateDirectory(path: path).replace("data", Array("new".utf8).span)
            }
        case "erase":
            outcome = refusal { () throws(PosixError) in try SpentFile.erase(path + "/key") }
        case "lock":
            let directory = try PrivateDirectory(path: path)
            let lock = try directory.lock("lock")
            print("job: locked")
            fflush(nil)
            // Until this process is killed, or its parent goes.
            _ = readLine()
            outcome = "\(lock)"
        default: outcome = "no such job"
        }
        print("job: \(outcome ?? "done")\njob: end")
        fflush(nil)
    }
}
