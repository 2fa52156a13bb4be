// Runs before main.tsx, whose modules are larger.
import "./first";
