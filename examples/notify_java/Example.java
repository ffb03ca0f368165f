import java.util.List;

/**
 * A program that tells somebody something at its end, and whose own work never fails for it: it exits with 0 always.
 *
 * <pre>java -cp DIR Example USERS TEXT EVENT</pre>
 */
public final class Example {
    private Example() {}

    public static void main(String[] args) {
        if (args.length != 3) {
            System.err.println("usage: Example USERS TEXT EVENT");
            return;
        }
        Hongyan hongyan = new Hongyan(List.of(args[0].split(",")));
        hongyan.notify(args[1], args[2]);
        // A service that goes on has no need of this: what waits at a program's end is handed in by the next.
        if (!hongyan.flush(5_000)) {
            System.err.println("not handed in yet; the next run does it");
        }
    }
}
