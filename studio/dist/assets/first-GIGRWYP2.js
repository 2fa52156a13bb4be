import{l as a,m as b,n as c,o as d}from"./chunk-SUT3INHF.js";export{d as asked,c as example,b as examples,a as first};
