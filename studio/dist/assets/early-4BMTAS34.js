import"./chunk-TWX2YBZY.js";
