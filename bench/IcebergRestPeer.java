import java.util.HashMap;
import java.util.Map;
import org.apache.iceberg.catalog.Catalog;
import org.apache.iceberg.inmemory.InMemoryCatalog;
import org.apache.iceberg.jdbc.JdbcCatalog;
import org.apache.iceberg.rest.RESTCatalogAdapter;
import org.apache.iceberg.rest.RESTCatalogServlet;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.servlet.ServletContextHandler;
import org.eclipse.jetty.servlet.ServletHolder;

/**
 * Apache Iceberg's REST catalogue on 127.0.0.1:PORT; nobody is asked who he is.
 * PORT alone: a catalogue and files in memory. PORT DATABASE S3_ENDPOINT KEY SECRET: tables in SQLite's file, metadata in the lake.
 */
public class IcebergRestPeer {
    public static void main(String[] args) throws Exception {
        Map<String, String> properties = new HashMap<>(Map.of("warehouse", "s3://peer/warehouse"));
        Catalog catalog = new InMemoryCatalog();
        if (args.length == 5) {
            catalog = new JdbcCatalog();
            properties.put("uri", "jdbc:sqlite:" + args[1] + "?journal_mode=WAL&synchronous=FULL&busy_timeout=5000");
            properties.put("jdbc.schema-version", "V1");
            properties.put("io-impl", "org.apache.iceberg.aws.s3.S3FileIO");
            properties.put("s3.endpoint", args[2]);
            properties.put("s3.path-style-access", "true");
            properties.put("s3.access-key-id", args[3]);
            properties.put("s3.secret-access-key", args[4]);
            properties.put("client.region", "us-east-1");
        }
        catalog.initialize("peer", properties);
        ServletContextHandler context = new ServletContextHandler(ServletContextHandler.NO_SESSIONS);
        context.addServlet(new ServletHolder(new RESTCatalogServlet(new RESTCatalogAdapter(catalog))), "/*");
        Server server = new Server(new java.net.InetSocketAddress("127.0.0.1", Integer.parseInt(args[0])));
        server.setHandler(context);
        server.start();
        System.in.read(); // until whoever started it ends
        server.stop();
        System.exit(0);
    }
}
