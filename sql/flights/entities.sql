-- What the features are about.
CREATE ENTITY airport KEY (airport VARCHAR);
CREATE ENTITY carrier KEY (carrier VARCHAR);
CREATE ENTITY plane   KEY (tailnum VARCHAR);
CREATE ENTITY route   KEY (origin VARCHAR, dest VARCHAR);
