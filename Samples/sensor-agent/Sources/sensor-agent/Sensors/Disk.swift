// SPDX-License-Identifier: Apache-2.0

/// The root file system: `disk/size`, and `disk/available` to ordinary users.
final class Disk: Sensor {
    private var source: Source

    init(on board: Board) {
        source = Source(board.path("/"))
    }

    func read(into report: inout Report) {
        do throws(SystemError) {
            let disk = try System.disk(source.path)
            source.succeed(into: &report)
            report.add("disk/size", Double(disk.size), "B")
            report.add("disk/available", Double(disk.available), "B")
        } catch {
            source.fail(error.text, into: &report)
        }
    }
}
